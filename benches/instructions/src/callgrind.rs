//! This program below callgrind, and its output read back.

use std::collections::BTreeMap;
use std::process::Command;

use crate::ways::RECORDS;

/// What one way costs.
pub struct Counted {
    /// Instructions of all records, by function; without what the function calls.
    pub functions: BTreeMap<String, u64>,
}

impl Counted {
    pub fn per_record(&self) -> f64 {
        self.functions.values().sum::<u64>() as f64 / RECORDS as f64
    }
}

/// glibc chooses its copy and search functions by the processor, which must not decide: only what every x86-64 has.
const TUNABLES: &str =
    "glibc.cpu.hwcaps=-AVX2,-AVX_Fast_Unaligned_Load,-AVX512F,-AVX512VL,-AVX512BW,-ERMS,\
                        -FSRM,-BMI2,-RTM";

pub fn count(way: &str) -> Result<Counted, String> {
    let program = std::env::current_exe().map_err(|e| e.to_string())?;
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let file = folder.path().join("callgrind.out");
    let out = Command::new("valgrind")
        .args(["--tool=callgrind", "--collect-atstart=no", "--toggle-collect=*ways::measured*"])
        .args(["--compress-strings=no", "--compress-pos=no"])
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(program)
        .args(["--way", way])
        .env("GLIBC_TUNABLES", TUNABLES)
        // An error of anyhow would look for its way back.
        .env_remove("RUST_BACKTRACE")
        .env_remove("RUST_LIB_BACKTRACE")
        .output()
        .map_err(|e| format!("valgrind: {e}"))?;
    if !out.status.success() {
        return Err(format!("{way}: {}\n{}", out.status, String::from_utf8_lossy(&out.stderr)));
    }
    let text = std::fs::read(&file).map_err(|e| format!("{}: {e}", file.display()))?;
    let functions = parse(&String::from_utf8_lossy(&text));
    if functions.is_empty() {
        return Err(format!("{way}: callgrind saw nothing of `measured`"));
    }
    Ok(Counted { functions })
}

/// The instructions of each function itself: <https://valgrind.org/docs/manual/cl-format.html>.
fn parse(text: &str) -> BTreeMap<String, u64> {
    let mut functions = BTreeMap::new();
    let mut function = "";
    let mut is_of_a_call = false;
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("fn=") {
            function = name;
        } else if line.starts_with("calls=") {
            // The next line is what the function that is called costs, with all it calls.
            is_of_a_call = true;
        } else if line.starts_with(|first: char| first.is_ascii_digit()) {
            let cost = line.split(' ').nth(1).and_then(|cost| cost.parse::<u64>().ok());
            if !std::mem::take(&mut is_of_a_call) {
                *functions.entry(plain(function)).or_default() += cost.unwrap_or(0);
            }
        }
    }
    functions.retain(|_, cost| *cost > 0);
    functions
}

/// Without the hash that each build gives anew.
fn plain(name: &str) -> String {
    match name.rsplit_once("::h") {
        Some((rest, hash)) if hash.len() == 16 && hash.chars().all(|c| c.is_ascii_hexdigit()) => {
            rest.to_owned()
        }
        _ => name.split("'2").next().unwrap_or(name).to_owned(),
    }
}
