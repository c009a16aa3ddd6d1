//! [`parse_line`] and [`Line`]: the structured line, read back.

use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

use super::escape::{is_control, push_escaped_message, unescape, ControlCharacters};
use super::{push_own_tag, push_tag, LineBuffer, Precision, LEVELS};
use crate::clock::Time;
use crate::equipment_id::EquipmentId;
use crate::error::{Error, Kind};

/// A `Line` is one line of this crate that was read back.
///
/// `Display` writes the line again, without its line end, and without the milliseconds `.000`. With the feature `serde`, a `Line` is `Serialize`: the time
/// as RFC 3339, the tags as a map in their order.
///
/// # Examples
///
/// ```
/// use equipment_log::Line;
///
/// let text = "2026-04-17T14:31:55Z [WARN ] [host:labpc-04] [equip:CONFOCAL_01] [run:R7] lamp is old";
/// let line: Line = text.parse()?;
/// assert_eq!(line.level, log::Level::Warn);
/// assert_eq!(line.equipment.as_ref().unwrap().as_str(), "CONFOCAL_01");
/// assert_eq!(line.tags, [("run".to_owned(), "R7".to_owned())]);
/// assert_eq!(line.message, "lamp is old");
/// assert_eq!(line.to_string(), text);
/// # Ok::<(), equipment_log::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Line {
    /// The time of the record, with the precision that was written.
    #[cfg_attr(feature = "serde", serde(serialize_with = "serialize::time"))]
    pub time: SystemTime,
    /// The level of the record.
    #[cfg_attr(feature = "serde", serde(serialize_with = "serialize::text"))]
    pub level: log::Level,
    /// The host that wrote the record.
    pub host: String,
    /// The equipment. `None`: the record had no equipment.
    #[cfg_attr(feature = "serde", serde(serialize_with = "serialize::equipment"))]
    pub equipment: Option<EquipmentId>,
    /// The tags, in the order of the line.
    #[cfg_attr(feature = "serde", serde(serialize_with = "serialize::tags"))]
    pub tags: Vec<(String, String)>,
    /// The message, with its control characters as they were.
    pub message: String,
}

/// Reads one line of this crate, without its line end. If the text is not such a line, this returns `None`. The
/// [`FromStr`](Line#impl-FromStr-for-Line) of `Line` returns the reason as an error.
///
/// # Examples
///
/// ```
/// let line = equipment_log::parse_line(
///     "2026-04-17T14:31:56Z [INFO ] [host:labpc-04] [equip:STAGE_02] [position_um:12.5] moved",
/// );
/// assert_eq!(line.unwrap().tags, [("position_um".to_owned(), "12.5".to_owned())]);
/// assert_eq!(equipment_log::parse_line("stage homed"), None);
/// ```
pub fn parse_line(line: &str) -> Option<Line> {
    read(line).ok()
}

impl FromStr for Line {
    type Err = Error;

    /// # Errors
    ///
    /// [`Error::is_line`], with the reason.
    fn from_str(line: &str) -> Result<Line, Error> {
        read(line).map_err(|why| Error::from(Kind::Line { why }))
    }
}

/// Reads a line, or says what it lacks.
fn read(line: &str) -> Result<Line, &'static str> {
    const NO_ESCAPE: &str = "it has a backslash that begins no escape";
    let (time, rest) = line.split_once(' ').ok_or("it has no space after its time")?;
    let time =
        read_time(time).ok_or("it does not begin with a time such as 2026-04-17T14:31:55Z")?;
    let level = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let (level, mut rest) = level.ok_or("its time is not followed by a level")?;
    let level = read_level(level).ok_or("its level is unknown")?;
    let (mut host, mut equipment, mut tags) = (None, None, Vec::new());
    while let Some(((key, value), after)) = parse_tag(rest) {
        rest = after;
        if key.chars().chain(value.chars()).any(is_control) {
            return Err("a tag holds a control character, which the line would have escaped");
        }
        let value = unescape(value).ok_or(NO_ESCAPE)?;
        match key {
            "host" if host.is_none() => host = Some(value),
            _ if host.is_none() => break,
            "equip" if equipment.is_none() && tags.is_empty() => {
                let id = EquipmentId::new(value).map_err(|_| "its equipment is no valid id")?;
                equipment = Some(id);
            }
            "host" | "equip" => {
                return Err("its host or its equipment is there twice, or behind a tag")
            }
            key => tags.push((unescape(key).ok_or(NO_ESCAPE)?, value)),
        }
    }
    let host = host.ok_or("its level is not followed by a host")?;
    let message = rest.strip_prefix(' ').ok_or("its tags are not followed by a message")?;
    if message.starts_with('[') {
        return Err("its message begins with '[', which the line would have escaped");
    }
    let message = unescape(message).ok_or(NO_ESCAPE)?;
    Ok(Line { time, level, host, equipment, tags, message })
}

/// A leap second is no time here: the line counts seconds as POSIX does, which has none.
fn read_time(text: &str) -> Option<SystemTime> {
    let is_leap = text.get(17..19) == Some("60");
    humantime::parse_rfc3339(text).ok().filter(|_| !is_leap)
}

/// A level as it is written, five characters wide.
fn read_level(text: &str) -> Option<log::Level> {
    let at = LEVELS.iter().position(|level| *level == text)?;
    log::Level::iter().nth(at)
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

/// RFC 3339, with milliseconds where there are any. A time that it cannot write is the nearest that it can.
fn rfc3339(time: SystemTime) -> String {
    let time = Time::from(time);
    let precision = match time.subsec_millis() {
        0 => Precision::Seconds,
        _ => Precision::Millis,
    };
    format!("{}Z", LineBuffer::begin(time, precision).without_end())
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = LEVELS[self.level as usize - log::Level::Error as usize];
        let mut line = format!("{} [{level}]", rfc3339(self.time));
        push_own_tag(&mut line, "host", &self.host);
        if let Some(equipment) = &self.equipment {
            push_own_tag(&mut line, "equip", equipment.as_str());
        }
        for (key, value) in &self.tags {
            push_tag(&mut line, key, value);
        }
        line.push(' ');
        push_escaped_message(&mut line, &self.message, ControlCharacters::Escape);
        f.pad(&line)
    }
}

#[cfg(feature = "serde")]
mod serialize {
    use std::fmt::Display;
    use std::time::SystemTime;

    use serde::{Serialize as _, Serializer};

    use crate::equipment_id::EquipmentId;

    pub(super) fn text<S: Serializer>(text: impl Display, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(&text)
    }

    pub(super) fn time<S: Serializer>(time: &SystemTime, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(&super::rfc3339(*time))
    }

    pub(super) fn equipment<S: Serializer>(
        id: &Option<EquipmentId>,
        out: S,
    ) -> Result<S::Ok, S::Error> {
        id.as_ref().map(EquipmentId::as_str).serialize(out)
    }

    pub(super) fn tags<S: Serializer>(
        tags: &[(String, String)],
        out: S,
    ) -> Result<S::Ok, S::Error> {
        out.collect_map(tags.iter().map(|(key, value)| (key, value)))
    }
}
