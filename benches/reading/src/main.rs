//! Makes the logs of a lab: 3 hosts, 20 pieces of equipment, 40 days, half of the days compressed.
//!
//!     cargo run --release --bin generate -- /tmp/lab [RECORDS]
//!
//! The records are spread evenly; without RECORDS there are 2,000,000. The same call makes the same bytes.

use std::error::Error;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use flate2::write::GzEncoder;
use flate2::Compression;

const HOSTS: u64 = 3;
const EQUIPMENT: u64 = 20;
const DAYS: u64 = 40;

/// 2026-04-17T00:00:00Z
const START: u64 = 1_776_384_000;
const DAY: u64 = 24 * 60 * 60;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let root = PathBuf::from(args.next().ok_or("generate FOLDER [RECORDS]")?);
    let records: u64 = args.next().map_or(Ok(2_000_000), |text| text.parse())?;
    let in_file = records.div_ceil(HOSTS * EQUIPMENT * DAYS);
    for equipment in 0..EQUIPMENT {
        let id = ["CONFOCAL", "STAGE", "INCUBATOR", "PUMP"][equipment as usize % 4];
        let id = format!("{id}_{:02}", equipment + 1);
        let folder = root.join(&id).join(".exlab-wizard");
        fs::create_dir_all(&folder)?;
        for host in 0..HOSTS {
            let host = format!("labpc-{:02}", host + 1);
            for day in 0..DAYS {
                write_day(&folder, &host, &id, day, in_file)?;
            }
        }
    }
    Ok(())
}

/// The older half of the days is compressed; the last one is the live log.
fn write_day(
    folder: &Path,
    host: &str,
    id: &str,
    day: u64,
    records: u64,
) -> Result<(), Box<dyn Error>> {
    let date = time(START + day * DAY);
    let name = match day {
        _ if day + 1 == DAYS => format!("wizard.{host}.log"),
        day => format!("wizard.{host}.log.{}", &date[..10]),
    };
    if day < DAYS / 2 {
        let file = File::create(folder.join(name + ".gz"))?;
        let mut out = GzEncoder::new(BufWriter::new(file), Compression::default());
        write_records(&mut out, host, id, day, records)?;
        out.finish()?.flush()?;
    } else {
        let mut out = BufWriter::new(File::create(folder.join(name))?);
        write_records(&mut out, host, id, day, records)?;
        out.flush()?;
    }
    Ok(())
}

fn write_records(
    out: &mut impl Write,
    host: &str,
    id: &str,
    day: u64,
    records: u64,
) -> std::io::Result<()> {
    let name = id.bytes().chain(host.bytes());
    let of_log =
        name.fold(0_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    for n in 0..records {
        let number = day * records + n;
        // Spread, and never the same from log to log.
        let noise = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17) ^ of_log;
        let time = time(START + day * DAY + n * DAY / records + noise % (DAY / records / 2).max(1));
        let run = format!("Run_{}", day / 2);
        let head = |level| {
            format!("{time} [{level}] [host:{host}] [equip:{id}] [proj:PROJ-0042] [run:{run}]")
        };
        match noise % 1000 {
            0 => writeln!(out, "{} laser 2 lost its interlock: <b>{noise}</b>", head("ERROR"))?,
            1..=9 => writeln!(out, "{} end switch found {} um early", head("WARN "), noise % 77)?,
            10 => writeln!(
                out,
                "{} {} records are missing here since {time}: No space left on device.",
                head("WARN "),
                noise % 7 + 2
            )?,
            11..=200 => writeln!(
                out,
                "{} [position_um:{}.{}] [lamp_c:{}] moved",
                head("INFO "),
                noise % 9000,
                noise % 10,
                31 + number % 7
            )?,
            201..=400 => writeln!(out, "{} frame {number} acquired, {noise:x}", head("DEBUG"))?,
            _ => writeln!(out, "{} frame {number} acquired", head("INFO "))?,
        }
    }
    Ok(())
}

fn time(seconds: u64) -> String {
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string()
}
