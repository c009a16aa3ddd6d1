//! Writes a record in the style that was asked for.

use std::io::{self, Write};

use super::{colour, json, line};
use crate::reading::source::LONGEST_PIECE;
use crate::reading::stream::Record;
use crate::reading::tree::Log;

/// What the output looks like.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Each line as it is in the file.
    Plain,
    /// For eyes: control characters are shown.
    Terminal { color: bool },
    /// One object a line.
    Json,
}

/// A record of more bytes is several JSON objects, so that a file without line ends does not fill the memory.
const LONGEST_OBJECT: usize = 16 << 20;

/// Writes records.
pub(crate) struct Printer {
    style: Style,
    unfold: bool,
    /// The text in the making.
    text: String,
    /// For JSON: a long record, whose further parts may come.
    long: Option<(Log, Record)>,
}

impl Printer {
    pub(crate) fn new(style: Style, unfold: bool) -> Printer {
        Printer { style, unfold, text: String::new(), long: None }
    }

    pub(crate) fn print(
        &mut self,
        log: &Log,
        record: &Record,
        out: &mut impl Write,
    ) -> io::Result<()> {
        match self.style {
            Style::Plain if !self.unfold => out.write_all(&record.text),
            Style::Json => self.print_json(log, record, out),
            Style::Plain => self.print_text(record, false, false, out),
            Style::Terminal { color } => self.print_text(record, color, true, out),
        }
    }

    /// Writes what waits for further parts. There are none now.
    pub(crate) fn finish(&mut self, out: &mut impl Write) -> io::Result<()> {
        match self.long.take() {
            Some((log, record)) => writeln!(out, "{}", json::object(&log, &record)),
            None => Ok(()),
        }
    }

    fn print_json(&mut self, log: &Log, record: &Record, out: &mut impl Write) -> io::Result<()> {
        if let Some((of, long)) = self.long.as_mut().filter(|_| record.continues) {
            if of == log && long.text.len() < LONGEST_OBJECT {
                long.text.extend_from_slice(&record.text);
                return Ok(());
            }
        }
        self.finish(out)?;
        if record.text.len() < LONGEST_PIECE {
            return writeln!(out, "{}", json::object(log, record));
        }
        let Record { text, head, continues } = record;
        let record = Record { text: text.clone(), head: *head, continues: *continues };
        self.long = Some((log.clone(), record));
        Ok(())
    }

    fn print_text(
        &mut self,
        record: &Record,
        color: bool,
        visible: bool,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let text = String::from_utf8_lossy(&record.text);
        let message_at = record.head.and_then(|_| line::message_at(&text)).unwrap_or(0);
        let (head, message) = text.split_at(message_at);
        self.text.clear();
        match record.head.filter(|_| color) {
            Some(record) => colour::push_head(head, record.level, &mut self.text),
            None => self.text.push_str(head),
        }
        let unfolded = if self.unfold && message_at > 0 {
            let mut unfolded = String::new();
            line::unfold(message, &mut unfolded);
            unfolded
        } else {
            message.to_owned()
        };
        if visible {
            colour::push_visible(&unfolded, &mut self.text);
        } else {
            self.text.push_str(&unfolded);
        }
        out.write_all(self.text.as_bytes())
    }
}
