//! Writes a record in the style that was asked for.

use std::io::{self, Write};

use super::{colour, json, line};
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

/// Writes records.
pub(crate) struct Printer {
    style: Style,
    unfold: bool,
    /// The text in the making.
    text: String,
}

impl Printer {
    pub(crate) fn new(style: Style, unfold: bool) -> Printer {
        Printer { style, unfold, text: String::new() }
    }

    pub(crate) fn print(
        &mut self,
        log: &Log,
        record: &Record,
        out: &mut impl Write,
    ) -> io::Result<()> {
        match self.style {
            Style::Plain if !self.unfold => out.write_all(&record.text),
            Style::Json => writeln!(out, "{}", json::object(log, record)),
            Style::Plain => self.print_text(record, false, false, out),
            Style::Terminal { color } => self.print_text(record, color, true, out),
        }
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
