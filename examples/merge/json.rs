//! A record as a JSON object.
//!
//! `time`, `level`, `host`, `equipment`, the tags and key-values by their keys, `message`. A value that is written
//! as JSON writes a number is one, but those of `proj`, `kind` and `run`: no digit, sign or zero is lost. A key of the
//! application's that is called as a field of ours gets a `_` behind it. What another encoder wrote is `text`, and so
//! is a further part of a record, which has `continues`.

use serde_json::{Map, Number, Value};

use crate::reading::stream::Record;
use crate::reading::tree::Log;
use crate::reading::when;

const OURS: [&str; 7] = ["time", "level", "host", "equipment", "message", "text", "continues"];

pub(crate) fn object(log: &Log, record: &Record) -> Value {
    let mut fields = Map::new();
    let mut put = |key: &str, value: Value| fields.insert(key.to_owned(), value);
    if let Some(head) = record.head {
        put("time", when::format(head.time).into());
        put("level", head.level.as_str().into());
    }
    let text = String::from_utf8_lossy(&record.text);
    let text = text.strip_suffix('\n').unwrap_or(&text);
    match record.head.and_then(|_| record.line()) {
        Some(line) => {
            put("host", line.host.into());
            put("equipment", line.equipment.map_or(Value::Null, |id| id.as_str().into()));
            for (key, value) in line.tags {
                let key = if OURS.contains(&&*key) { key + "_" } else { key };
                let value = typed(&key, value);
                put(&key, value);
            }
            let mut message = line.message;
            // Lines behind it belong to the message, as `control_characters: keep` writes it.
            if let Some((_, behind)) = text.split_once('\n') {
                message = message + "\n" + behind;
            }
            put("message", message.into());
        }
        None => {
            put("host", log.host().into());
            put("equipment", log.equipment().into());
            put("text", text.into());
            if record.continues {
                put("continues", true.into());
            }
        }
    }
    Value::Object(fields)
}

fn typed(key: &str, value: String) -> Value {
    let number = || serde_json::from_str::<Number>(&value).ok();
    match key {
        "proj" | "kind" | "run" => value.into(),
        _ => match number().filter(|number| number.to_string() == value) {
            Some(number) => number.into(),
            None => value.into(),
        },
    }
}
