//! The promise: `merge` and `report` name what is no regular file in the place of a log, and do not wait for it.
//!
//! Linux only: pipes, sockets and links are made with the calls of Unix.
#![cfg(unix)]

use std::fs;
use std::os::unix::{fs::symlink, net::UnixListener};
use std::process::Command;

use crate::merge_files::{complaints, logs};

#[test]
fn what_is_no_regular_file_is_named_and_not_waited_for() {
    let root = tempfile::tempdir().unwrap();
    let logs = logs(root.path());
    for fifo in ["wizard.p.log", "wizard.h.log.2026-04-16", "wizard.h.log.2026-04-15.gz"] {
        assert!(Command::new("mkfifo").arg(logs.join(fifo)).status().unwrap().success());
    }
    let _socket = UnixListener::bind(logs.join("wizard.s.log")).unwrap();
    fs::create_dir(logs.join("wizard.d.log")).unwrap();
    symlink("/dev/null", logs.join("wizard.n.log")).unwrap();
    let named = "E/.exlab-wizard/wizard.p.log";
    for args in [&["."][..], &["E/.exlab-wizard"], &["E", named]] {
        for stderr in complaints(root.path(), args) {
            for name in
                ["p.log", "h.log.2026-04-16", "h.log.2026-04-15.gz", "s.log", "d.log", "n.log"]
            {
                let reported = format!("wizard.{name}: is no regular file");
                assert_eq!(stderr.matches(&reported).count(), 1, "{name} of {args:?}: {stderr}");
            }
        }
    }
}

#[test]
fn a_link_that_leads_nowhere_is_named() {
    let root = tempfile::tempdir().unwrap();
    let logs = logs(root.path());
    symlink("nowhere", logs.join("wizard.l.log")).unwrap();
    symlink("nowhere", logs.join("wizard.h.log.2026-04-16")).unwrap();
    for (equipment, to) in [("F", "nowhere"), ("G", ".exlab-wizard")] {
        fs::create_dir(root.path().join(equipment)).unwrap();
        symlink(to, root.path().join(equipment).join(".exlab-wizard")).unwrap();
    }
    for stderr in complaints(root.path(), &["."]) {
        for name in [
            "/wizard.l.log: ",
            "/wizard.h.log.2026-04-16: ",
            "F/.exlab-wizard: ",
            "G/.exlab-wizard: ",
        ] {
            assert_eq!(stderr.matches(name).count(), 1, "{name}: {stderr}");
        }
    }
}
