//! Nothing but a regular file below `local_root` is written, whatever stands in its place, and
//! nothing that stands there blocks the logging thread.
//!
//! Linux only: pipes, devices and owners are made with its tools.
#![cfg(target_os = "linux")]

use std::fs::{self, File, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::{symlink, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::support::trace::{self, Call};
use crate::support::StopFlag;
use crate::support::{child, lacks, log_of, run, sink, Need, Running};
use equipment_log::{EquipmentSink, Error, Scope};
use log::Level;
use rustix::fs::{renameat_with, RenameFlags, CWD};
use tempfile::{tempdir, TempDir};

#[test]
fn child_plays_its_role() {
    let Some((role, root)) = crate::support::role() else { return };
    let sink = match role.as_str() {
        "default modes" => sink(&root),
        "wide modes" => sink(&root).file_mode(0o666).dir_mode(0o777),
        "narrow modes" => sink(&root).file_mode(0o600).dir_mode(0o700),
        role => panic!("unknown role {role}"),
    };
    write(&sink.build().unwrap()).unwrap();
}

/// A root with the folders of one log, and a folder outside that must stay as it is.
struct Place {
    _dir: TempDir,
    root: PathBuf,
    log: PathBuf,
    outside: PathBuf,
}

impl Place {
    fn new() -> Place {
        let dir = tempdir().unwrap();
        let (root, outside) = (dir.path().join("root"), dir.path().join("outside"));
        let log = log_of(&root, "EQ");
        fs::create_dir_all(log.parent().unwrap()).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("file"), "theirs\n").unwrap();
        Place { _dir: dir, root, log, outside }
    }

    /// Takes away the folder of the equipment.
    fn without_equipment() -> Place {
        let place = Place::new();
        fs::remove_dir_all(place.root.join("EQ")).unwrap();
        place
    }

    fn sink(&self) -> EquipmentSink {
        sink(&self.root).build().unwrap()
    }

    fn assert_outside_is_untouched(&self) {
        let names: Vec<_> =
            fs::read_dir(&self.outside).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["file"]);
        assert_eq!(fs::read(self.outside.join("file")).unwrap(), b"theirs\n");
    }

    /// A record, durable or not, is refused at once, and leaves no trace outside.
    fn assert_refused(&self) {
        for level in [Level::Info, Level::Error] {
            let sink = self.sink();
            let err = crate::support::within(Duration::from_secs(60), move || {
                sink.write(&Scope::new("EQ").unwrap(), level, b"record")
            })
            .unwrap_err();
            assert!(err.is_refused_path(), "{err}");
            assert!(err.to_string().contains(self.root.to_str().unwrap()), "{err}");
        }
        self.assert_outside_is_untouched();
    }
}

/// As somebody moves an equipment's folder to a larger disk, and leaves a link: the open file is still the file that
/// the path leads to.
#[test]
fn a_link_out_of_the_root_that_is_put_in_the_way_of_an_open_log_is_refused() {
    for level in [Level::Info, Level::Error] {
        let place = Place::new();
        let sink = place.sink();
        let scope = Scope::new("EQ").unwrap();
        let write = |record: &[u8]| sink.write(&scope, level, record);
        write(b"inside").unwrap();
        let moved = place.outside.join("EQ");
        fs::rename(place.root.join("EQ"), &moved).unwrap();
        symlink(&moved, place.root.join("EQ")).unwrap();
        // Noticed within a second, or at once by an ERROR.
        let refused = || write(b"outside").is_err_and(|err| err.is_refused_path());
        match level {
            Level::Error => assert!(refused()),
            _ => drop(crate::support::until("the link is noticed", refused)),
        }
        let log = moved.join(place.log.strip_prefix(place.root.join("EQ")).unwrap());
        let length = fs::metadata(&log).unwrap().len();
        assert!(refused(), "and it stays so");
        assert_eq!(fs::metadata(&log).unwrap().len(), length);
    }
}

fn write(sink: &EquipmentSink) -> Result<(), Error> {
    sink.write(&Scope::new("EQ").unwrap(), Level::Info, b"record")
}

#[test]
fn a_pipe_is_refused_whether_somebody_reads_it_or_not() {
    let place = Place::new();
    run(Command::new("mkfifo").arg(&place.log));
    place.assert_refused();
    let nonblock = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    let mut reader = OpenOptions::new().read(true).custom_flags(nonblock).open(&place.log).unwrap();
    place.assert_refused();
    // A child that another test starts may hold the other end until its exec: then the pipe is not at
    // its end, but as empty.
    match reader.read(&mut [0; 8]) {
        Ok(read) => assert_eq!(read, 0, "something was written into the pipe"),
        Err(err) => assert_eq!(err.kind(), std::io::ErrorKind::WouldBlock),
    }
}

#[test]
fn a_device_is_refused() {
    if lacks(&[Need::Root]) {
        return;
    }
    // The null device, a terminal, and a disk that is not there.
    for device in [["c", "1", "3"], ["c", "5", "0"], ["b", "7", "250"]] {
        let place = Place::new();
        run(Command::new("mknod").arg(&place.log).args(device));
        if device[0] == "b" {
            let err = write(&place.sink()).unwrap_err();
            assert!(err.is_refused_path(), "{err}");
        } else {
            place.assert_refused();
        }
    }
}

#[test]
fn a_socket_and_a_folder_are_refused() {
    let place = Place::new();
    let _socket = UnixListener::bind(&place.log).unwrap();
    place.assert_refused();

    let place = Place::new();
    fs::create_dir(&place.log).unwrap();
    place.assert_refused();
    assert_eq!(fs::read_dir(&place.log).unwrap().count(), 0);
}

#[test]
fn a_link_out_of_the_root_is_refused_wherever_it_stands() {
    for target in ["file", "missing"] {
        let place = Place::new();
        symlink(place.outside.join(target), &place.log).unwrap();
        place.assert_refused();

        let place = Place::new();
        symlink(Path::new("../../../outside").join(target), &place.log).unwrap();
        place.assert_refused();
    }
    // The folder of the equipment, and the one in it.
    for target in ["outside", "missing"] {
        let place = Place::without_equipment();
        symlink(place.root.with_file_name(target), place.root.join("EQ")).unwrap();
        place.assert_refused();
        assert!(!place.root.with_file_name("missing").exists());

        let place = Place::new();
        fs::remove_dir(place.root.join("EQ/.exlab-wizard")).unwrap();
        symlink(place.root.with_file_name(target), place.root.join("EQ/.exlab-wizard")).unwrap();
        place.assert_refused();
        assert!(!place.root.with_file_name("missing").exists());
    }
}

#[test]
fn a_link_to_the_password_file_is_refused_and_the_file_stays_as_it_is() {
    let place = Place::new();
    let before = fs::read("/etc/passwd").unwrap();
    symlink("/etc/passwd", &place.log).unwrap();
    place.assert_refused();
    assert_eq!(fs::read("/etc/passwd").unwrap(), before);
}

#[test]
fn a_link_that_stays_inside_is_taken() {
    let place = Place::without_equipment();
    fs::create_dir(place.root.join("REAL")).unwrap();
    symlink("REAL", place.root.join("EQ")).unwrap();
    write(&place.sink()).unwrap();
    assert_eq!(fs::read(log_of(&place.root, "REAL")).unwrap(), b"record\n");
}

#[test]
fn a_link_to_nothing_is_named() {
    let the_log = |place: &Place| place.log.clone();
    let the_equipment = |place: &Place| place.root.join("EQ");
    let the_root = |place: &Place| place.root.clone();
    for link in [&the_log as &dyn Fn(&Place) -> PathBuf, &the_equipment, &the_root] {
        let place = Place::new();
        let link = link(&place);
        let _ = fs::remove_dir_all(&link);
        symlink("gone", &link).unwrap();
        let err = write(&place.sink()).unwrap_err();
        assert!(err.is_open(), "{err}");
        let words = format!("the link {} leads to nothing", link.display());
        assert!(err.to_string().ends_with(&words), "{err}");
    }
}

#[test]
fn a_root_that_is_a_link_itself_is_taken() {
    let place = Place::new();
    let linked = place.root.with_file_name("linked");
    symlink(&place.root, &linked).unwrap();
    write(&sink(&linked).build().unwrap()).unwrap();
    assert_eq!(fs::read(&place.log).unwrap(), b"record\n");
}

#[test]
fn a_hard_link_is_a_file_like_any_other() {
    let place = Place::new();
    let other = place.root.join("other name");
    File::create(&other).unwrap();
    fs::hard_link(&other, &place.log).unwrap();
    write(&place.sink()).unwrap();
    assert_eq!(fs::read(other).unwrap(), b"record\n");
}

#[test]
fn a_linked_equipment_folder_is_followed_on_request() {
    let place = Place::without_equipment();
    let elsewhere = place.root.with_file_name("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    symlink(&elsewhere, place.root.join("EQ")).unwrap();
    place.assert_refused();
    write(&sink(&place.root).follow_links(true).build().unwrap()).unwrap();
    // What was refused before is said there, too.
    let written = fs::read(elsewhere.join(".exlab-wizard/wizard.h.log")).unwrap();
    assert!(written.ends_with(b".\nrecord\n"), "{}", String::from_utf8_lossy(&written));
}

#[test]
fn on_request_to_follow_links_still_nothing_but_a_file_is_written() {
    let place = Place::new();
    let pipe = place.outside.join("pipe");
    run(Command::new("mkfifo").arg(&pipe));
    symlink(&pipe, &place.log).unwrap();
    let sink = sink(&place.root).follow_links(true).build().unwrap();
    let err = crate::support::within(Duration::from_secs(60), move || write(&sink)).unwrap_err();
    assert!(err.is_refused_path(), "{err}");
}

#[test]
fn a_folder_swapped_for_a_link_between_two_records_wins_nothing() {
    let place = Place::new();
    let sink = place.sink();
    write(&sink).unwrap();
    fs::rename(place.root.join("EQ"), place.root.join("moved")).unwrap();
    symlink(&place.outside, place.root.join("EQ")).unwrap();
    // A durable record looks at once, one that is not within the second, and this one always.
    for level in [Level::Info, Level::Error] {
        let _ = sink.write(&Scope::new("EQ").unwrap(), level, b"record");
        sink.reopen();
    }
    assert!(write(&sink).unwrap_err().is_refused_path());
    place.assert_outside_is_untouched();

    fs::remove_file(place.root.join("EQ")).unwrap();
    write(&sink).unwrap();
    assert!(place.log.exists());
}

#[test]
fn a_folder_that_is_swapped_for_a_link_all_the_time_wins_nothing() {
    let place = Place::new();
    symlink(&place.outside, place.root.join("link")).unwrap();
    let enough = StopFlag::default();
    let sink = place.sink();
    let (mut written, mut refused) = (0, 0);
    thread::scope(|threads| {
        let _stopper = enough.stop_on_drop();
        threads.spawn(|| {
            while !enough.is_set() {
                let (folder, link) = (place.root.join("EQ"), place.root.join("link"));
                renameat_with(CWD, folder, CWD, link, RenameFlags::EXCHANGE).unwrap();
            }
        });
        for _ in 0..5_000 {
            sink.reopen();
            match write(&sink) {
                Ok(()) => written += 1,
                Err(_) => refused += 1,
            }
        }
    });
    assert!(written > 0 && refused > 0, "written {written}, refused {refused}: no race");
    place.assert_outside_is_untouched();
}

#[test]
fn a_file_of_another_user_in_a_sticky_folder_is_appended_to() {
    if lacks(&[Need::Root, Need::Strace]) {
        return;
    }
    let place = Place::new();
    let folder = place.log.parent().unwrap();
    fs::set_permissions(folder, fs::Permissions::from_mode(0o1777)).unwrap();
    fs::write(&place.log, "theirs\n").unwrap();
    run(Command::new("chown").arg("12345").arg(&place.log));

    // Where fs.protected_regular is on, an open with O_CREAT fails here, for root too. Where it is
    // off, that it was not asked for must do.
    let opens = opens(&place);
    assert_eq!(fs::read(&place.log).unwrap(), b"theirs\nrecord\n");
    assert!(opens.iter().all(|call| !call.args.contains("O_CREAT")), "{opens:?}");
}

#[test]
fn a_log_is_never_opened_in_a_way_that_waits_or_that_children_inherit() {
    if lacks(&[Need::Strace]) {
        return;
    }
    let place = Place::new();
    // Once to make it, once where it is there.
    for _ in 0..2 {
        for call in opens(&place) {
            for flag in ["O_APPEND", "O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC"] {
                assert!(call.args.contains(flag), "{call:?}");
            }
        }
    }
}

/// How a child opens the log for one record.
fn opens(place: &Place) -> Vec<Call> {
    let trace = tempfile::NamedTempFile::new().unwrap();
    let child = child!("default modes", &place.root);
    let mut traced = trace::traced(&["-e", "trace=openat,openat2"], trace.path(), &child);
    Running::start(&mut traced).finish();
    let mut calls = trace::read(trace.path());
    calls.retain(|call| call.args.contains("wizard.h.log"));
    assert!(!calls.is_empty());
    calls
}

#[test]
fn the_modes_are_those_asked_for_less_the_umask() {
    for (role, umask, file, folder) in [
        ("default modes", "000", 0o644, 0o755),
        ("default modes", "027", 0o640, 0o750),
        ("wide modes", "002", 0o664, 0o775),
        ("wide modes", "000", 0o666, 0o777),
        ("narrow modes", "000", 0o600, 0o700),
    ] {
        let dir = tempdir().unwrap();
        let root = dir.path().join("root");
        Running::start(&mut crate::support::after(&format!("umask {umask}"), &child!(role, &root)))
            .finish();
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o7777;
        let log = log_of(&root, "EQ");
        assert_eq!(format!("{:o}", mode(&log)), format!("{file:o}"), "{role}, umask {umask}");
        for folder_path in [root.clone(), root.join("EQ"), root.join("EQ/.exlab-wizard")] {
            assert_eq!(
                format!("{:o}", mode(&folder_path)),
                format!("{folder:o}"),
                "{role}, umask {umask}"
            );
        }
    }
}

#[test]
fn a_file_in_the_place_of_a_folder_is_an_error_to_open_and_the_record_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("EQ"), "a file").unwrap();
    let sink = crate::support::sink(dir.path()).build().unwrap();
    let err = sink.write(&Scope::new("EQ").unwrap(), log::Level::Info, b"record").unwrap_err();
    assert!(err.is_open() && !err.is_write() && !err.is_sync(), "{err}");
    assert_eq!(sink.stats().total.lost, 1);
}
