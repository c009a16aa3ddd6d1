//! [`Layout`]: from `local_root` and a path template to the path of a record's file. Pure.
//!
//! The invariants: two records of different equipment never have the same path, and no path leaves the root. Every
//! piece of a path is a literal that was checked here, or a value that passed [`equipment_id::check`].

use std::path::{Path, PathBuf};

use crate::equipment_id::{self, is_device_name, EquipmentId};
use crate::error::Error;
use crate::file;

/// The path of a log below `local_root`, if the key `path` is not given.
pub(crate) const DEFAULT_PATH: &str = "{equipment_id}/.exlab-wizard/wizard.{hostname}.log";

/// The longest name of a file or a folder, and what is reported of a longer one.
#[derive(Debug)]
struct NameLimit {
    bytes: usize,
    why: &'static str,
}

/// The limit of the common file systems (`NAME_MAX` of limits.h).
const ANY_NAME: NameLimit = NameLimit { bytes: 255, why: "it is longer than 255 bytes" };

/// The limit of a log that is rotated: the names of all its rotated files keep to [`ANY_NAME`].
const ROTATED_LOG: NameLimit = NameLimit {
    bytes: ANY_NAME.bytes - file::LONGEST_ROTATED_ENDING,
    why: "it is longer than 220 bytes: a rotated file's name adds up to 35",
};

#[derive(Debug)]
pub(crate) struct Layout {
    root: PathBuf,
    /// The template, folder by folder. The host's name is already in its place.
    components: Vec<Vec<Piece>>,
    /// Whether the equipment's id is the only piece that varies: then the id alone tells files apart.
    by_id_alone: bool,
    log_name: NameLimit,
}

#[derive(Debug, PartialEq)]
enum Piece {
    Literal(String),
    Id,
    Tag(String),
}

/// The key of the equipment: in `path`, in a record's key-values, and in a framework's own context.
pub(crate) const EQUIPMENT_ID: &str = "equipment_id";

/// What the placeholders of a path stand for.
pub(crate) trait PathValues {
    fn equipment_id(&self) -> &EquipmentId;

    /// The value of one tag.
    fn tag_value(&self, key: &str) -> Option<&str>;
}

/// Why a record has no file here.
#[derive(Debug)]
pub(crate) enum NoPath {
    /// The record lacks a tag that the path names: the record is another appender's.
    MissingTag,
    /// A value may not become part of a path.
    Refused(Error),
}

impl Layout {
    pub(crate) fn new(root: PathBuf, template: &str, hostname: &str) -> Result<Layout, Error> {
        let bad = |why: String| Error::config("path", format!("{template:?} {why}"));
        equipment_id::check(hostname).map_err(|why| {
            Error::config("hostname", format!("{hostname:?} cannot be part of a file name: {why}"))
        })?;
        if template.starts_with('/') {
            return Err(bad("is absolute; it stands below local_root".to_owned()));
        }
        let components = template
            .split('/')
            .map(|component| parse_component(component, hostname).map_err(&bad))
            .collect::<Result<Vec<_>, _>>()?;
        let tells_apart = |c: &Vec<Piece>| {
            c.contains(&Piece::Id)
                && c.iter().filter(|p| !matches!(p, Piece::Literal(_))).count() == 1
        };
        if !components.iter().any(tells_apart) {
            return Err(bad(
                "has no folder or file name in which {equipment_id} is the only placeholder that varies; \
                 two pieces of equipment could share a file"
                    .to_owned(),
            ));
        }
        let by_id_alone = !components.iter().flatten().any(|p| matches!(p, Piece::Tag(_)));
        Ok(Layout { root, components, by_id_alone, log_name: ANY_NAME })
    }

    /// The layout of logs that are rotated: each log's name is short enough for all names of its rotated files.
    ///
    /// # Errors
    ///
    /// [`Error::is_config`]: the name of a log may be the name of another log's rotated file.
    pub(crate) fn for_rotation(self) -> Result<Layout, Error> {
        let name = self.components.last().map_or(&[][..], |name| &name[..]);
        let may_be_rotated = match name {
            [Piece::Literal(name)] => file::may_be_rotated(name),
            // What comes before is any text, and may be another log's name.
            [.., Piece::Literal(end)] => file::may_end_rotated(end),
            _ => file::may_end_rotated(""),
        };
        if may_be_rotated {
            let why = "with rotation, the file's name must end with a text that no rotated file's ends with, such as \
                       .log: those of rotated logs end as in .log.2026-04-17, .log.2026-04-17.1 or .log.2026-04-17.gz";
            return Err(Error::config("path", why));
        }
        Ok(Layout { log_name: ROTATED_LOG, ..self })
    }

    /// The folder below which everything stands; absolute.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Whether a path has a part that comes from a tag.
    pub(crate) fn names_tags(&self) -> bool {
        !self.by_id_alone
    }

    /// A key that no other file has, and that is cheap to make: the id, or the rendered path in `scratch`. `None`: a
    /// tag is missing.
    pub(crate) fn key<'a>(
        &self,
        values: &'a impl PathValues,
        scratch: &'a mut String,
    ) -> Option<&'a str> {
        if self.by_id_alone {
            return Some(values.equipment_id().as_str());
        }
        scratch.clear();
        self.render(values, scratch)?;
        Some(scratch)
    }

    /// The keys of the tags that the path names.
    pub(crate) fn tags(&self) -> impl Iterator<Item = &str> {
        let pieces = self.components.iter().flatten().filter(|_| !self.by_id_alone);
        pieces.filter_map(|piece| match piece {
            Piece::Tag(key) => Some(&**key),
            _ => None,
        })
    }

    /// The file's path below the root.
    pub(crate) fn relative(&self, values: &impl PathValues) -> Result<String, NoPath> {
        let mut path = String::new();
        self.render(values, &mut path).ok_or(NoPath::MissingTag)?;
        for piece in self.components.iter().flatten() {
            let Piece::Tag(key) = piece else { continue };
            let value = values.tag_value(key).unwrap_or_default();
            if let Err(why) = equipment_id::check(value) {
                return Err(NoPath::Refused(Error::name("tag value in the path", value, why)));
            }
        }
        for (place, name) in path.split('/').enumerate() {
            let is_log = place + 1 == self.components.len();
            let limit = if is_log { &self.log_name } else { &ANY_NAME };
            if name.len() > limit.bytes {
                return Err(NoPath::Refused(Error::name("file name", name, limit.why)));
            }
            if is_device_name(name) {
                return Err(NoPath::Refused(Error::name(
                    "file name",
                    name,
                    "it is the name of a device on Windows",
                )));
            }
        }
        Ok(path)
    }

    fn render(&self, values: &impl PathValues, path: &mut String) -> Option<()> {
        for (i, component) in self.components.iter().enumerate() {
            if i > 0 {
                path.push('/');
            }
            for piece in component {
                path.push_str(match piece {
                    Piece::Literal(text) => text,
                    Piece::Id => values.equipment_id().as_str(),
                    Piece::Tag(key) => values.tag_value(key).filter(|value| !value.is_empty())?,
                });
            }
        }
        Some(())
    }
}

/// One folder or file name of the template.
fn parse_component(component: &str, hostname: &str) -> Result<Vec<Piece>, String> {
    if component.is_empty() {
        return Err("has an empty folder or file name".to_owned());
    }
    if component == "." || component == ".." {
        return Err(format!("contains {component:?}"));
    }
    if component.ends_with('.') {
        return Err(format!("has a name that ends with '.': {component:?}"));
    }
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut rest = component;
    while let Some(at) = rest.find(['{', '}']) {
        literal.push_str(&rest[..at]);
        let Some(end) = rest[at..].find('}').filter(|_| rest.as_bytes()[at] == b'{') else {
            return Err("has a brace that opens or closes nothing".to_owned());
        };
        match &rest[at + 1..at + end] {
            "hostname" => literal.push_str(hostname),
            key => {
                if key.is_empty()
                    || !key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
                {
                    return Err(format!("has a placeholder that names no tag: {{{key}}}"));
                }
                if !literal.is_empty() {
                    pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                }
                pieces.push(if key == EQUIPMENT_ID {
                    Piece::Id
                } else {
                    Piece::Tag(key.to_owned())
                });
            }
        }
        rest = &rest[at + end + 1..];
    }
    literal.push_str(rest);
    if let Some(c) = literal_refused(&literal, &pieces) {
        return Err(format!("contains {c:?}, which is not portable in a file name"));
    }
    if pieces.is_empty() && is_device_name(&literal) {
        return Err(format!("has the name of a device on Windows: {literal:?}"));
    }
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    Ok(pieces)
}

fn literal_refused(last: &str, pieces: &[Piece]) -> Option<char> {
    let literals = pieces.iter().filter_map(|p| match p {
        Piece::Literal(text) => Some(text.as_str()),
        _ => None,
    });
    literals
        .chain([last])
        .flat_map(str::chars)
        .find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]
mod tests {
    use super::*;
    use crate::context::Scope;

    fn layout(template: &str) -> Result<Layout, Error> {
        Layout::new(PathBuf::from("/data"), template, "labpc-04")
    }

    #[test]
    fn the_default_path_is_the_documented_one() {
        let layout = layout(DEFAULT_PATH).unwrap();
        let path = layout.relative(&Scope::new("CONFOCAL_01").unwrap()).unwrap();
        assert_eq!(path, "CONFOCAL_01/.exlab-wizard/wizard.labpc-04.log");
        assert!(layout.by_id_alone);
    }

    /// A name that a rotated file's ending made too long could never be rotated.
    #[test]
    fn a_rotated_logs_name_leaves_room_for_the_longest_ending() {
        let named = |layout: &Layout, bytes: usize| {
            let (id, tag) = ("E".repeat(100), "t".repeat(bytes - 100 - ".log".len()));
            let scope = Scope::new(id).unwrap().tag("run", tag);
            layout.relative(&scope).map(|path| path.rsplit('/').next().unwrap().len()).ok()
        };
        let plain = layout("{equipment_id}/{equipment_id}{run}.log").unwrap();
        assert_eq!(named(&plain, 232), Some(232));
        let rotated = plain.for_rotation().unwrap();
        assert_eq!(named(&rotated, 220), Some(220));
        assert_eq!(named(&rotated, 221), None);
        assert!(ROTATED_LOG.why.contains(&format!("{} bytes", ROTATED_LOG.bytes)));
    }

    #[test]
    fn a_scope_without_a_tag_of_the_path_has_no_path() {
        let layout = layout("{equipment_id}/{proj}/w.log").unwrap();
        let scope = Scope::new("CONFOCAL_01").unwrap();
        assert!(matches!(layout.relative(&scope), Err(NoPath::MissingTag)));
        assert_eq!(layout.relative(&scope.tag("proj", "P1")).unwrap(), "CONFOCAL_01/P1/w.log");
    }

    #[test]
    fn a_tag_cannot_climb_out_of_its_folder() {
        let layout = layout("{equipment_id}/{proj}/w.log").unwrap();
        for value in ["..", "a/b", ".hidden", "CON", "a\\b", "x."] {
            let scope = Scope::new("CONFOCAL_01").unwrap().tag("proj", value);
            assert!(matches!(layout.relative(&scope), Err(NoPath::Refused(_))), "{value}");
        }
    }

    #[test]
    fn templates_that_cannot_serve_are_refused_with_the_reason() {
        for (template, why) in [
            ("/{equipment_id}/w.log", "absolute"),
            ("{equipment_id}/../w.log", "\"..\""),
            ("{equipment_id}//w.log", "empty"),
            ("{equipment_id/w.log", "brace"),
            ("{equipment_id}/w}.log", "brace"),
            ("{equipment_id}/{}/w.log", "names no tag"),
            ("{equipment_id}/{a b}/w.log", "names no tag"),
            ("{equipment_id}\\w.log", "not portable"),
            ("{equipment_id}/C:w.log", "not portable"),
            ("{equipment_id}./w.log", "ends with '.'"),
            ("CON/{equipment_id}", "device"),
            ("{hostname}/w.log", "share a file"),
            ("{run}/w.log", "share a file"),
            ("{equipment_id}{run}.log", "share a file"),
        ] {
            let err = layout(template).unwrap_err().to_string();
            assert!(err.starts_with("path: ") && err.contains(why), "{template}: {err}");
        }
    }
}
