//! [`EquipmentId`]: the only way for a text of the running program to become a part of a path.
//!
//! The invariant: a text that passes [`check`] is one portable file name on every system. It cannot leave its folder,
//! is not a hidden file, and is not the name of a device.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::error::{Error, Kind};
use crate::locks::LockExt as _;
use crate::process::{self, Spelling};

/// The longest id, in bytes. With the rest of the default file name it stays below the 255 bytes
/// that a file name may have on every common file system.
pub(crate) const MAX_BYTES: usize = 128;

/// The name of one piece of equipment, safe as the name of a folder everywhere.
///
/// Allowed are 1 to 128 of the POSIX portable filename characters `[A-Za-z0-9._-]` (POSIX.1-2017,
/// 3.282), no leading `.` or `-`, no trailing `.`, and none of the names that Windows keeps for
/// devices (`CON`, `NUL.log`, `COM1` …, in any case).
///
/// # Examples
///
/// ```
/// use equipment_log::EquipmentId;
///
/// assert_eq!(EquipmentId::new("CONFOCAL_01")?.as_str(), "CONFOCAL_01");
/// assert!(EquipmentId::new("../etc").is_err());
/// # Ok::<(), equipment_log::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EquipmentId(Arc<str>);

impl EquipmentId {
    /// Checks that `id` is safe as the name of a folder.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_id`]: the id is not valid. The error names the id and the rule.
    pub fn new(id: impl AsRef<str>) -> Result<EquipmentId, Error> {
        let id = id.as_ref();
        match check(id) {
            Ok(()) => Ok(EquipmentId(Arc::from(id))),
            Err(why) => Err(Error::name("equipment id", id, why)),
        }
    }

    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The rule for everything that becomes part of a path: ids, tags' values, the host's name.
pub(crate) fn check(name: &str) -> Result<(), &'static str> {
    let bytes = name.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else {
        return Err("it is empty");
    };
    if bytes.len() > MAX_BYTES {
        return Err("it is longer than 128 bytes");
    }
    if !bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-')) {
        return Err("only the portable filename characters A-Z a-z 0-9 . _ - are allowed");
    }
    if matches!(first, b'.' | b'-') {
        return Err("it begins with '.' or '-'");
    }
    if *last == b'.' {
        return Err("it ends with '.'");
    }
    if is_device_name(name) {
        return Err("it is the name of a device on Windows");
    }
    Ok(())
}

/// Whether Windows takes the name for a device, with or without an extension:
/// <https://learn.microsoft.com/windows/win32/fileio/naming-a-file>.
pub(crate) fn is_device_name(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name);
    let is = |device: &str| stem.eq_ignore_ascii_case(device);
    let numbered = |prefix: &str| {
        stem.len() == 4
            && stem.as_bytes()[..3].eq_ignore_ascii_case(prefix.as_bytes())
            && stem.as_bytes()[3].is_ascii_digit()
    };
    is("CON") || is("PRN") || is("AUX") || is("NUL") || numbered("COM") || numbered("LPT")
}

impl EquipmentId {
    /// Refuses an id that differs only by letter case from a known one.
    pub(crate) fn check_spelling(&self) -> Result<(), Error> {
        match process::SPELLINGS.lock_any().get(&self.0.to_ascii_lowercase()) {
            Some(used) if *used.id != *self.0 => Err(self.case_conflict(&used.id)),
            _ => Ok(()),
        }
    }

    /// Makes this the spelling of its folder, until [`release_spelling`](EquipmentId::release_spelling)
    /// was called once for each claim.
    pub(crate) fn claim_spelling(&self) -> Result<(), Error> {
        let mut known = process::SPELLINGS.lock_any();
        let spelling = known
            .entry(self.0.to_ascii_lowercase())
            .or_insert_with(|| Spelling { id: self.to_string(), registries: 0 });
        if *spelling.id != *self.0 {
            return Err(self.case_conflict(&spelling.id));
        }
        spelling.registries += 1;
        Ok(())
    }

    pub(crate) fn release_spelling(&self) {
        let mut known = process::SPELLINGS.lock_any();
        let lower = self.0.to_ascii_lowercase();
        let Some(spelling) = known.get_mut(&lower) else { return };
        spelling.registries = spelling.registries.saturating_sub(1);
        if spelling.registries == 0 {
            known.remove(&lower);
        }
    }

    fn case_conflict(&self, used: &str) -> Error {
        Error::from(Kind::CaseConflict { value: self.to_string(), used: used.to_string() })
    }
}

/// Looks up a map by text: `stats.equipment["CONFOCAL_01"]`.
impl Borrow<str> for EquipmentId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for EquipmentId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EquipmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for EquipmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl FromStr for EquipmentId {
    type Err = Error;

    fn from_str(id: &str) -> Result<EquipmentId, Error> {
        EquipmentId::new(id)
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for EquipmentId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// Text that [`EquipmentId::new`] accepts.
#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for EquipmentId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<EquipmentId, D::Error> {
        let id = String::deserialize(deserializer)?;
        EquipmentId::new(id).map_err(serde::de::Error::custom)
    }
}

impl TryFrom<String> for EquipmentId {
    type Error = Error;

    fn try_from(id: String) -> Result<EquipmentId, Error> {
        EquipmentId::new(id)
    }
}

impl TryFrom<&str> for EquipmentId {
    type Error = Error;

    fn try_from(id: &str) -> Result<EquipmentId, Error> {
        EquipmentId::new(id)
    }
}
