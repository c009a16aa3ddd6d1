//! The promise: lnav reads our logs by the format file in `config-samples/readers`: rotated and compressed ones too,
//! with level, time and tags as columns, and it counts what `merge` counts.
//!
//! Linux only: lnav is a program of its terminals.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::{lacks, run, Need};

const FORMAT: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/config-samples/readers/equipment_log.lnav.json");

/// Every level, an escaped bracket, a message that looks like a tag, and a lost record's line.
fn tree(root: &Path) {
    for (at, id) in ["CONFOCAL_01", "STAGE_02", "PUMP_03"].into_iter().enumerate() {
        let folder = root.join(id).join(".exlab-wizard");
        fs::create_dir_all(&folder).unwrap();
        let head = |level: &str, n: usize| {
            format!(
                "2026-04-17T14:{:02}:{:02}Z [{level}] [host:pc-{at}] [equip:{id}]",
                n / 60,
                n % 60
            )
        };
        let text = |from: usize| -> String {
            (from..from + 100 + at)
                .map(|n| match n % 10 {
                    0 => format!("{} [run:R 7] [note:a\\]b\\[] lamp\\nis out\n", head("ERROR", n)),
                    1 | 2 => {
                        format!("{} 3 records are missing here since now.\n", head("WARN ", n))
                    }
                    3 => format!("{} [proj:P] [kind:k] \\[run:forged] reset\n", head("DEBUG", n)),
                    4 => format!("{} [position_um:12.5] moved\n", head("TRACE", n)),
                    _ => format!("{} [proj:P] [run:R{at}] frame {n}\n", head("INFO ", n)),
                })
                .collect()
        };
        let packed =
            File::create(folder.join(format!("wizard.pc-{at}.log.2026-04-15.gz"))).unwrap();
        let mut packed = flate2::write::GzEncoder::new(packed, flate2::Compression::fast());
        packed.write_all(text(0).as_bytes()).unwrap();
        packed.finish().unwrap();
        fs::write(folder.join(format!("wizard.pc-{at}.log.2026-04-16")), text(200)).unwrap();
        fs::write(folder.join(format!("wizard.pc-{at}.log")), text(400)).unwrap();
    }
}

/// Records by equipment, level, host, run, further tags and message, as `merge` has them.
fn merged(root: &Path) -> BTreeMap<[String; 4], u64> {
    let test = std::env::current_exe().unwrap();
    let program = test.ancestors().nth(2).unwrap().join("examples/merge");
    let output = Command::new(program).arg(root).arg("--json").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut counts = BTreeMap::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        let field = |key: &str| record[key].as_str().unwrap_or_default().to_owned();
        let level = field("level").to_lowercase().replace("warn", "warning");
        *counts.entry([field("equipment"), level, field("host"), field("run")]).or_default() += 1;
    }
    counts
}

#[test]
fn lnav_counts_what_merge_counts() {
    if lacks(&[Need::Tool("lnav")]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (root, home) = (folder.path().join("lab"), folder.path().join("home"));
    fs::create_dir_all(&home).unwrap();
    tree(&root);
    let lnav = || {
        let mut lnav = Command::new("lnav");
        lnav.env("HOME", &home).env("XDG_CONFIG_HOME", home.join("config")).env("TERM", "dumb");
        lnav
    };
    run(lnav().args(["-i", FORMAT]));
    let query = |sql: &str| {
        // As the page for those without Rust has it.
        let files = format!("{}/*/.exlab-wizard/wizard.*.log*", root.display());
        let args = ["-n", "-c", &format!(";{sql}"), "-c", ":write-csv-to -"];
        let output = lnav().args(args).arg(files).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let csv = query(
        "SELECT equip, log_level, host, ifnull(run, '') AS run, count(*) AS records FROM equipment_log \
         GROUP BY equip, log_level, host, run",
    );
    let mut counted = BTreeMap::new();
    for line in csv.lines().skip(1) {
        let fields: Vec<_> = line.split(',').collect();
        let key = [0, 1, 2, 3].map(|at| fields[at].to_owned());
        counted.insert(key, fields[4].parse().unwrap());
    }
    let expected = merged(&root);
    assert_eq!(expected.len(), 3 * 5, "{expected:?}");
    assert_eq!(counted, expected, "{csv}");

    let errors = query(
        "SELECT equip, count(*) AS errors FROM equipment_log WHERE log_level = 'error' GROUP BY equip ORDER BY equip",
    );
    assert_eq!(errors, "equip,errors\nCONFOCAL_01,30\nPUMP_03,33\nSTAGE_02,33\n");
    let one = query(
        "SELECT log_time, tags, log_body FROM equipment_log WHERE log_level = 'error' ORDER BY log_time LIMIT 1",
    );
    assert_eq!(
        one,
        "log_time,tags,log_body\n2026-04-17 14:00:00.000, [note:a\\]b\\[],lamp\\nis out\n"
    );
}
