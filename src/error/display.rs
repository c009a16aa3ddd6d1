//! An [`Error`] as text: always one line, whatever a path, a key or the text of another crate holds.

use std::fmt::{self, Write};

use super::{failures, Error, Kind, Mistake};

/// Writes control characters as escapes. The text of a nested error has none left.
struct OneLine<'f, 'b>(&'f mut fmt::Formatter<'b>);

impl Write for OneLine<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for part in text.split_inclusive(char::is_control) {
            let Some(last) = part.chars().next_back().filter(|c| c.is_control()) else {
                return self.0.write_str(part);
            };
            self.0.write_str(&part[..part.len() - last.len_utf8()])?;
            write!(self.0, "{}", last.escape_debug())?;
        }
        Ok(())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_to(&mut OneLine(f))
    }
}

impl Error {
    fn write_to(&self, f: &mut OneLine<'_, '_>) -> fmt::Result {
        match &*self.0 {
            Kind::Name { what, value, why } => write!(f, "{what} {value:?} is refused: {why}"),
            Kind::CaseConflict { value, used } => write!(
                f,
                "{value:?} is refused: {used:?} is in use already and differs by letter case only, \
                 which some file systems cannot tell apart"
            ),
            Kind::Config(mistakes) => {
                for (i, Mistake { key, why }) in mistakes.iter().enumerate() {
                    let gap = if i > 0 { "; " } else { "" };
                    write!(f, "{gap}{key}: {why}")?;
                }
                Ok(())
            }
            Kind::Io { operation, path, source } => {
                write!(f, "cannot {} {}: {source}", operation.words(), path.display())
            }
            Kind::Short { path, written, length } => write!(
                f,
                "cannot append a record to {}: only {written} of its {length} bytes fitted; \
                 the record is lost",
                path.display()
            ),
            Kind::NotRegular { path, found } => write!(
                f,
                "cannot open the log file {}: it is {found}, and only a regular file is written",
                path.display()
            ),
            Kind::Outside { path, root } => write!(
                f,
                "cannot open the log file {}: a link on the way leads out of local_root {} \
                 or is an absolute path (follow_links allows both)",
                path.display(),
                root.display()
            ),
            Kind::Line { why } => write!(f, "this text is no structured line: {why}"),
            Kind::NoWriter { why } => write!(f, "cannot queue a record: {why}"),
            Kind::Earlier { records, source } => {
                let records_that =
                    if *records == 1 { "record that was" } else { "records that were" };
                write!(f, "{records} {records_that} queued before this one failed: {source}")
            }
            Kind::Encode { why } => write!(f, "cannot encode a record: {why}"),
            Kind::NotDrained { waited, records } => {
                write!(f, "after {} s not written of what is queued:", waited.as_secs_f32())?;
                for (i, (equipment, records)) in records.iter().enumerate() {
                    let gap = if i > 0 { "," } else { "" };
                    write!(f, "{gap} {records} of {equipment}")?;
                }
                Ok(())
            }
            Kind::Reported { about, since, source } => {
                write!(f, "{about}: {source}")?;
                match since.number {
                    0 => Ok(()),
                    more => write!(f, " ({more} more since the last report{since})"),
                }
            }
            Kind::Unreported(logs) => failures::write_all(logs, f),
            Kind::Unreturned { records, source } => {
                let what = if *records == 1 { "record" } else { "records" };
                write!(f, "{records} queued {what} failed: {source}")
            }
            Kind::ReportsDropped { reports } => {
                let what = if *reports == 1 { "report was" } else { "reports were" };
                write!(f, "{reports} {what} dropped before this: the receiver was held up")
            }
        }
    }
}

/// The same as `Display`: a `main` that returns the error prints this.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::Path;

    use super::super::Operation;
    use super::*;

    #[test]
    fn an_error_is_one_line_whatever_its_path_holds() {
        let path = Path::new("/lab/a\nb\u{85}.log");
        let source = || io::Error::other("the disk\r\nis full");
        for err in [
            Error::io(Operation::Open, path, source()),
            Error::config(path.display().to_string(), "it is\tempty"),
            Error::from(Kind::NotRegular { path: path.to_owned(), found: "a folder" }),
            Error::from(Kind::Outside { path: path.to_owned(), root: path.to_owned() }),
            Error::from(Kind::Short { path: path.to_owned(), written: 1, length: 2 }),
            Error::from(Kind::Unreturned {
                records: 1,
                source: Error::io(Operation::Write, path, source()),
            }),
        ] {
            let text = err.to_string();
            assert!(!text.contains(char::is_control), "{text:?}");
            assert!(text.contains(r"/lab/a\nb\u{85}.log"), "{text}");
        }
    }
}
