//! [`parse_line`]: the structured line, read back.
//!
//! Imports `escape` and `equipment_id`.

use std::time::SystemTime;

use super::escape::unescape;
use crate::equipment_id::EquipmentId;

/// One structured line, read back.
///
/// # Examples
///
/// ```
/// let line = equipment_log::parse_line(
///     "2026-04-17T14:31:55Z [WARN ] [host:labpc-04] [equip:CONFOCAL_01] [run:R7] lamp is old",
/// )
/// .unwrap();
/// assert_eq!(line.level, log::Level::Warn);
/// assert_eq!(line.equipment.unwrap().as_str(), "CONFOCAL_01");
/// assert_eq!(line.tags, [("run".to_owned(), "R7".to_owned())]);
/// assert_eq!(line.message, "lamp is old");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Line {
    /// When the record was made, to the precision that was written.
    pub time: SystemTime,
    /// Its level.
    pub level: log::Level,
    /// The host that wrote it.
    pub host: String,
    /// The equipment; none where the encoder served a record outside any scope.
    pub equipment: Option<EquipmentId>,
    /// The tags, in the order of the line.
    pub tags: Vec<(String, String)>,
    /// The message, with its control characters as they were.
    pub message: String,
}

/// Reads one line, without its end, that the structured encoder wrote. `None` for any other text.
pub fn parse_line(line: &str) -> Option<Line> {
    let (time, rest) = line.split_once(' ')?;
    let time = humantime::parse_rfc3339(time).ok()?;
    let (level, mut rest) = rest.strip_prefix('[')?.split_once(']')?;
    let level = level.trim_end().parse().ok()?;
    let (mut host, mut equipment, mut tags) = (None, None, Vec::new());
    while let Some(((key, value), after)) = parse_tag(rest) {
        rest = after;
        let value = unescape(value)?;
        match key {
            "host" if host.is_none() => host = Some(value),
            "equip" if equipment.is_none() => equipment = Some(EquipmentId::new(value).ok()?),
            key => tags.push((unescape(key)?, value)),
        }
    }
    let message = unescape(rest.strip_prefix(' ')?)?;
    Some(Line { time, level, host: host?, equipment, tags, message })
}

/// ` [key:value]` at the beginning of the text, still escaped, and what follows.
fn parse_tag(text: &str) -> Option<((&str, &str), &str)> {
    let tag = text.strip_prefix(" [")?;
    let colon = find_unescaped(tag, ':')?;
    let end = colon + find_unescaped(&tag[colon..], ']')?;
    let key = &tag[..colon];
    if find_unescaped(key, ']').is_some() {
        return None;
    }
    Some(((key, &tag[colon + 1..end]), &tag[end + 1..]))
}

fn find_unescaped(text: &str, wanted: char) -> Option<usize> {
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        if c == '\\' {
            chars.next();
        } else if c == wanted {
            return Some(at);
        }
    }
    None
}
