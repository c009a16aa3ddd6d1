//! Times on the command line.

use chrono::{DateTime, Days, Local, NaiveDate, NaiveDateTime, NaiveTime, TimeZone as _, Utc};

/// What `--since` and `--until` take, for `--help`.
pub(crate) const FORMS: &str =
    "as 2026-04-17T14:31:55Z, 2026-04-17T16:31+02:00, 2026-04-17, 14:31, \"yesterday 18:00\" or \"2 hours\" (ago)";

/// A time in microseconds since 1970. Without a zone it is UTC, or local where `local`.
pub(crate) fn parse(text: &str, local: bool) -> Result<i64, String> {
    parse_at(text.trim(), local, Utc::now())
        .ok_or_else(|| format!("{text:?} is no time: give it {FORMS}"))?
}

type Parsed = Option<Result<i64, String>>;

fn parse_at(text: &str, local: bool, now: DateTime<Utc>) -> Parsed {
    if let Some(time) = with_zone(text) {
        return Some(Ok(time.timestamp_micros()));
    }
    if let Ok(ago) = humantime::parse_duration(text.trim_end_matches(" ago")) {
        return Some(Ok(now.timestamp_micros() - i64::try_from(ago.as_micros()).ok()?));
    }
    let now = if local { now.with_timezone(&Local).naive_local() } else { now.naive_utc() };
    let time = without_zone(text, now)?;
    if !local {
        return Some(Ok(time.and_utc().timestamp_micros()));
    }
    Some(match Local.from_local_datetime(&time).earliest() {
        Some(time) => Ok(time.timestamp_micros()),
        None => Err(format!("{text:?} does not exist here: clocks were set forward")),
    })
}

/// RFC 3339, with or without seconds.
fn with_zone(text: &str) -> Option<DateTime<Utc>> {
    let text = text
        .strip_suffix(['Z', 'z'])
        .map_or_else(|| text.to_owned(), |time| format!("{time}+00:00"));
    ["%Y-%m-%dT%H:%M:%S%.f%:z", "%Y-%m-%d %H:%M:%S%.f%:z", "%Y-%m-%dT%H:%M%:z", "%Y-%m-%d %H:%M%:z"]
        .iter()
        .find_map(|form| DateTime::parse_from_str(&text, form).ok())
        .map(|time| time.to_utc())
}

fn without_zone(text: &str, now: NaiveDateTime) -> Option<NaiveDateTime> {
    let (day, time) = text.split_once([' ', 'T']).unwrap_or((text, ""));
    let date = match day {
        "now" if time.is_empty() => return Some(now),
        "today" => now.date(),
        "yesterday" => now.date().checked_sub_days(Days::new(1))?,
        day => match day.parse::<NaiveDate>() {
            Ok(date) => date,
            // The last time that it was so late.
            Err(_) if time.is_empty() => {
                let today = now.date().and_time(clock(day)?);
                let passed = today <= now;
                return if passed { Some(today) } else { today.checked_sub_days(Days::new(1)) };
            }
            Err(_) => return None,
        },
    };
    let time = if time.is_empty() { NaiveTime::MIN } else { clock(time)? };
    Some(date.and_time(time))
}

fn clock(text: &str) -> Option<NaiveTime> {
    ["%H:%M:%S%.f", "%H:%M"].iter().find_map(|form| NaiveTime::parse_from_str(text, form).ok())
}

/// `2026-04-17T14:31:55Z`, with milliseconds where there are any.
pub(crate) fn format(micros: i64) -> String {
    let Some(time) = DateTime::from_timestamp_micros(micros) else { return String::new() };
    let form =
        if micros % 1_000_000 == 0 { "%Y-%m-%dT%H:%M:%SZ" } else { "%Y-%m-%dT%H:%M:%S%.3fZ" };
    time.format(form).to_string()
}
