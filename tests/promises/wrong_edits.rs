//! Edits that people make by mistake, through `check_file` and through fern's YAML: each is answered with one line that
//! names the file and the key, or the place in the text, and that a person can act on.
#![cfg(all(feature = "log4rs", feature = "yaml"))]

use std::path::Path;

use equipment_log::log4rs::check_file;
use equipment_log::EquipmentScopedOutput;
use log4rs::config::Deserializers;

/// Keys of ours, for both adapters, and what the answer has in it.
const KEYS: &[(&str, &str)] = &[
    // The text.
    ("local_root: /lab\n\trotation: {every: day}", "found a tab character"),
    ("level: info\nlocal_root /lab\nqueue: {}", "(a key is followed by a colon and a blank)"),
    ("level: info\nlocal_root:\u{a0}/lab\nqueue: {}", "(a key is followed by a colon and a blank)"),
    ("local_root: '/lab", "(a quote is not closed)"),
    ("local_root: /lab\nrotation: {every: day", "did not find expected ',' or '}'"),
    ("local_root: /lab\nrotation: {every: day; keep: 5}", "did not find expected ',' or '}'"),
    ("local_root: \"D:\\lab\"", "(a path with backslashes is in single quotes)"),
    ("local_root: /lab\npath: {equipment_id}/x.log", "(a value that begins with { or with a quote is in"),
    ("local_root: /lab\nhostname: @pc", "a value that begins with @, ` or % is in quotes)"),
    ("local_root: /lab, level: warn", "(there is one key to a line; keys that belong together"),
    ("local_root: /lab\nrotation: *daily", "unknown anchor at line "),
    ("local_root: !Path /lab", "local_root: a tag such as !Path can be no value here at line "),
    ("local_root: /lab\nrotation: {keep: 99999999999999999999}", "rotation.keep: \"99999999999999999999\" is not all, a number"),
    ("local_root: /lab\nmax_open_files: 99999999999999999999999\nlevle: info", "levle: unknown key (was `level` meant?)"),
    // The same key twice, at each level.
    ("local_root: /lab\nlocal_root: /b", "duplicate entry with key \"local_root\""),
    ("local_root: /lab\nrotation: {every: day, every: hour}", "rotation: duplicate entry with key \"every\""),
    ("local_root: /lab\nlevels: {A: debug, A: info}", "levels: duplicate entry with key \"A\""),
    // Keys.
    ("local_root: /lab\nrotation:every: day", "rotation:every: unknown key (was `rotation` meant?)"),
    ("local_root: /lab\n<<: {level: info}", "<<: merge keys are not read: write the keys themselves here"),
    ("local_root: /lab\nrotation: {<<: {every: day}}", "rotation.<<: merge keys are not read"),
    ("local_root: /lab\nlevels: {<<: {A: info}}", "levels.<<: merge keys are not read"),
    ("local_root: /lab\n1: x", "1: unknown key; the keys are"),
    ("local_root: /lab\n[a]: x", "a list: unknown key; the keys are"),
    ("Local_Root: /lab", "Local_Root: unknown key (was `local_root` meant?)"),
    ("local_root: /lab\nrotation:\nevery: day", "rotation: invalid type: nothing, expected a mapping with"),
    ("local_root: /lab\nqueue: {queue: {}}", "queue.queue: unknown key; the keys are `limit`,"),
    // A list for a mapping, and the other way round.
    ("local_root: /lab\nlevels: [CONFOCAL_01: debug]", "levels: invalid type: a list, expected"),
    ("local_root: /lab\nlevels: {C: {level: debug}}", "levels.C: invalid type: a mapping, expected"),
    ("local_root: /lab\nrotation: [every: day]", "rotation: invalid type: a list, expected"),
    ("local_root: /lab\nrotation: daily", "rotation: invalid type: \"daily\", expected"),
    ("local_root: [/lab]", "local_root: invalid type: a list, expected a single value"),
    ("local_root: /lab\npath: {equipment_id}", "path: invalid type: a mapping, expected a single value"),
    ("local_root: /lab\ntargets: {a: }", "targets.a: invalid type: nothing, expected"),
    // Values.
    ("local_root: “/lab”", "begins with a quote that YAML takes for text; it knows \" and '"),
    ("local_root: https://nas/lab", "local_root: \"https://nas/lab\" is an address, and no folder"),
    ("local_root: /lab\nrotation: {every: day, keep: 90 dayz}", "rotation.keep: \"90 dayz\" is not all, a number"),
    ("local_root: /lab\nrotation: {limit: 10,5 mb}", "rotation.5 mb: unknown key; the keys are `every`,"),
    ("local_root: /lab\nrotation: {every: Day}", "rotation.every: \"Day\" is not one of hour, day, month"),
    ("local_root: /lab\nqueue: {limit: 8 MBit}", "queue.limit: \"8 MBit\" is not a size such as 8 mb"),
    ("local_root: /lab\nqueue: {limit: .inf}", "queue.limit: \"inf\" is not a size such as 8 mb"),
    ("local_root: /lab\nqueue: {drain_timeout: 10}", "\"10\" is not a time above zero, such as 10 seconds"),
    ("local_root: /lab\nidle_timeout: 1h30", "\"1h30\" is not a time above zero, such as 30 minutes"),
    ("local_root: /lab\nfollow_links: yes", "follow_links: \"yes\" is not true or false"),
    ("local_root: /lab\nmax_open_files: -5", "max_open_files: \"-5\" is not a whole number from 1 on"),
    // Levels of other libraries.
    ("local_root: /lab\nlevel: warning", "level: \"warning\" is not one of off, error, warn, info, debug, trace (was `warn` meant?)"),
    ("local_root: /lab\nlevel: err", "trace (was `error` meant?)"),
    ("local_root: /lab\nlevel: Information", "trace (was `info` meant?)"),
    ("local_root: /lab\nlevels: {A: critical}", "levels.A: \"critical\" is not one of off, error, warn, info, debug, trace (was `error` meant?)"),
    ("local_root: /lab\nfsync_level: FATAL", "trace (was `error` meant?)"),
    ("local_root: /lab\nlevel: verbose", "trace (was `trace` meant?)"),
    ("local_root: /lab\nlevel: 3", "level: \"3\" is not one of off, error, warn, info, debug, trace"),
];

/// A file that log4rs takes.
const RIGHT: &str = "refresh_rate: 30 seconds
appenders:
  equipment:
    kind: equipment_scoped
    local_root: /lab
root:
  level: info
  appenders: [equipment]
";

/// What of it is replaced, by what, and the whole answer behind the file's name.
const FILES: &[(&str, &str, &str)] = &[
    ("level: info", "level: warning", "root.level: \"warning\" is not one of off, error, warn, info, debug, trace (was `warn` meant?)"),
    ("level: info", "level: [info]", "root.level: invalid type: a list, expected a level such as info"),
    ("level: info", "level:", "root.level: invalid type: nothing, expected a level such as info"),
    ("level: info", "levle: info", "root.levle: unknown key (was `level` meant?); the keys are `level` and `appenders`"),
    ("  appenders: [", "  appender: [", "root.appender: unknown key (was `appenders` meant?); the keys are `level` and `appenders`"),
    ("[equipment]", "equipment", "root.appenders: invalid type: \"equipment\", expected a list such as [equipment]"),
    ("root:\n  level: info\n  appenders: [equipment]", "root: [equipment]", "root: invalid type: a list, expected a mapping such as { level: info, appenders: [equipment] }"),
    ("  level: info", "  <<: {level: info}", "root.<<: merge keys are not read: write the keys themselves here"),
    ("    kind: equipment_scoped\n", "    <<: {kind: equipment_scoped}\n", "appender equipment: <<: merge keys are not read: write the keys themselves here"),
    ("  equipment:\n", "  <<: {}\n  equipment:\n", "appenders.<<: merge keys are not read: write the keys themselves here"),
    ("\nroot:", "\nloggers: {<<: {a: {level: info}}}\nroot:", "loggers.<<: merge keys are not read: write the keys themselves here"),
    ("\nroot:", "\nrot:", "rot: unknown key (was `root` meant?); the keys are `refresh_rate`, `root`, `appenders` and `loggers`"),
    ("\nroot:", "\nloggers: {a: info}\nroot:", "loggers.a: invalid type: \"info\", expected a mapping such as { level: info, appenders: [equipment] }"),
    ("\nroot:", "\nloggers: [a]\nroot:", "loggers: invalid type: a list, expected a mapping"),
    ("\nroot:", "\nloggers: {a: {level: err}}\nroot:", "loggers.a.level: \"err\" is not one of off, error, warn, info, debug, trace (was `error` meant?)"),
    ("\nroot:", "\nloggers: {a: {}}\nroot:", "loggers.a: Missing field level"),
    ("\nroot:", "\nloggers: {'a::': {level: info}}\nroot:", "log4rs: Invalid logger name `a::`"),
    ("30 seconds", "thirty seconds", "refresh_rate: \"thirty seconds\" is not a time above zero, such as 30 seconds"),
    ("30 seconds", "30", "refresh_rate: \"30\" is not a time above zero, such as 30 seconds"),
    ("kind: e", "type: e", "appender equipment: kind: it is required, and missing"),
    ("kind: equipment_scoped", "kind: [x]", "appender equipment: kind: invalid type: a list or a mapping, expected a name"),
    ("    kind: equipment_scoped\n    local_root: /lab\n", "", "appender equipment: invalid type: nothing, expected a mapping with `kind`"),
    ("equipment:", "- equipment:", "appenders: invalid type: a list, expected a mapping"),
    ("\nroot:", "\n  equipment: {kind: console}\nroot:", "YAML: appenders: duplicate entry with key \"equipment\" at line 3 column 3"),
    ("/lab\n", "/lab\n    filters: [{kind: threshold, level: fatal}]\n", "appender equipment, filter threshold: level: \"fatal\" is not one of off, error, warn, info, debug, trace (was `error` meant?)"),
    ("/lab\n", "/lab\n    filters: {kind: threshold}\n", "appender equipment: filters: Invalid type map. Expected a sequence; a list such as [{ kind: threshold, level: warn }] is right"),
    ("/lab\n", "/lab\n    filters: 1\n    levle: info\n", "appender equipment: filters: Invalid type integer `1`. Expected a sequence; a list such as [{ kind: threshold, level: warn }] is right; appender equipment: levle: unknown key (was `level` meant?); the keys are `local_root`, `hostname`, `path`, `targets`, `unscoped`, `level`, `levels`, `precision`, `control_characters`, `fsync_level`, `follow_links`, `file_mode`, `dir_mode`, `max_open_files`, `idle_timeout`, `rotation`, `queue` and `encoder`"),
    ("/lab\n", "/lab\n    filters: [{kind: threshold, levle: warn}]\n", "appender equipment, filter threshold: levle: unknown key (was `level` meant?); the keys are `level`"),
    ("[equipment]", "[equipment]\nloggers: {a: {level: info, additive: maybe}}", "loggers.a.additive: \"maybe\" is not true or false"),
    ("[equipment]", "[equipment, [b]]", "root.appenders: invalid type: a list, expected the name of an appender"),
    ("/lab\n", "/lab\n    encoder: {kind: json, pretty: true}\n", "appender equipment: encoder.pretty: unknown key; there are none"),
    ("    local_root", "  local_root", "appender local_root: invalid type: \"/lab\", expected a mapping with `kind`; appender equipment: local_root: it is required, and missing or empty"),
];

/// Keys of log4rs in fern's YAML, and the whole answer behind the file's name.
const OF_LOG4RS: &[(&str, &str)] = &[
    ("kind: equipment_scoped", "kind: it is a key of log4rs; fern's YAML has the keys of one output alone, `local_root` first"),
    ("refresh_rate: 30 s", "refresh_rate: it is a key of log4rs; fern's YAML is read once, when the output is built"),
    ("filters: []", "filters: it is a key of log4rs; under fern `level`, `levels` and the dispatch decide what is written"),
    ("appenders: {}", "appenders: it is a key of log4rs; fern's YAML has the keys of one output alone, `local_root` first"),
    ("loggers: {}", "loggers: it is a key of log4rs; under fern `level`, `levels` and the dispatch decide what is written"),
    ("root: {level: info}", "root: it is a key of log4rs; under fern `level` and the dispatch decide what is written"),
    ("encoder: {}", "encoder: it is a key of log4rs; under fern the dispatch formats, with `.format(output.line_format())`"),
];

/// Writes the file, and gives it to an adapter. None: it is taken.
fn answer(
    bytes: &[u8],
    read: impl Fn(&Path) -> Result<(), equipment_log::Error>,
) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("edited.yaml");
    std::fs::write(&path, bytes).unwrap();
    let err = read(&path).err()?;
    let text = err.to_string();
    let shown = String::from_utf8_lossy(bytes);
    assert!(err.is_config() && !text.contains('\n'), "{shown}\n{text}");
    assert!(text.contains(path.to_str().unwrap()), "the file is not named:\n{shown}\n{text}");
    Some(text.replace(path.to_str().unwrap(), "FILE"))
}

fn log4rs(bytes: &[u8]) -> Option<String> {
    answer(bytes, |path| check_file(path, &Deserializers::default()).map(|_| ()))
}

fn fern(bytes: &[u8]) -> Option<String> {
    answer(bytes, |path| EquipmentScopedOutput::from_yaml_file(path).map(|_| ()))
}

/// The keys of an appender in a file of log4rs.
fn appender(keys: &str) -> String {
    let keys: String = keys.lines().map(|line| format!("    {line}\n")).collect();
    RIGHT.replace("    local_root: /lab\n", &keys)
}

#[test]
fn a_wrong_key_is_answered_with_what_to_do() {
    for (keys, words) in KEYS {
        for answer in [log4rs(appender(keys).as_bytes()), fern(keys.as_bytes())] {
            let answer = answer.unwrap_or_else(|| panic!("taken: {keys}"));
            assert!(answer.contains(words), "{keys}\n{answer}");
        }
    }
}

#[test]
fn a_wrong_part_of_log4rs_is_answered_with_that_alone() {
    assert_eq!(log4rs(RIGHT.as_bytes()), None);
    for (from, to, whole) in FILES {
        assert!(RIGHT.contains(from), "{from}");
        let answer = log4rs(RIGHT.replacen(from, to, 1).as_bytes());
        assert_eq!(answer.unwrap_or_default(), format!("FILE: {whole}"), "{from} -> {to}");
    }
}

#[test]
fn a_key_of_log4rs_is_answered_with_what_there_is_under_fern() {
    for (key, whole) in OF_LOG4RS {
        let answer = fern(format!("local_root: /lab\n{key}\n").as_bytes());
        assert_eq!(answer.unwrap_or_default(), format!("FILE: {whole}"));
    }
}

/// The text of a file as an editor saves it.
fn saved(how: &str, text: &str) -> Vec<u8> {
    let utf_16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    match how {
        "with a mark" => format!("\u{feff}{text}").into_bytes(),
        "as on Windows" => text.replace('\n', "\r\n").into_bytes(),
        "as on an old Mac" => text.replace('\n', "\r").into_bytes(),
        "as UTF-16" => utf_16(&format!("\u{feff}{text}")),
        "as UTF-16, the other way round" => {
            format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_be_bytes).collect()
        }
        "as UTF-16 without a mark" => utf_16(text),
        "as Latin-1" => [text.as_bytes(), b"# B\xfcro\n"].concat(),
        "with zeros behind it" => [text.as_bytes(), &[0; 100]].concat(),
        "as zeros" => vec![0; text.len()],
        "empty" => Vec::new(),
        "as a mark alone" => "\u{feff}".into(),
        "as comments" => text.lines().flat_map(|line| format!("# {line}\n").into_bytes()).collect(),
        "twice" => format!("{text}---\n{text}").into_bytes(),
        "with a conflict" => format!("<<<<<<< HEAD\n{text}=======\n{text}>>>>>>>\n").into_bytes(),
        "as a list" => format!("- {}", text.replace('\n', "\n  ")).into_bytes(),
        "deep" => format!("{text}x: {}", "[".repeat(5000)).into_bytes(),
        other => unreachable!("{other}"),
    }
}

#[test]
fn a_file_that_an_editor_has_saved_in_another_way_is_read_or_answered() {
    for how in ["with a mark", "as on Windows", "as on an old Mac"] {
        assert_eq!(log4rs(&saved(how, RIGHT)), None, "{how}");
        assert_eq!(fern(&saved(how, "local_root: /lab\n")), None, "{how}");
    }
    for (how, words) in [
        ("as UTF-16", "cannot read the configuration file FILE: it is UTF-16: save it as UTF-8"),
        ("as UTF-16, the other way round", "it is UTF-16: save it as UTF-8"),
        ("as UTF-16 without a mark", "it is UTF-16: save it as UTF-8"),
        ("as Latin-1", "is not UTF-8: save it as UTF-8"),
        ("with zeros behind it", "(it has bytes that are no text: save it as UTF-8)"),
        ("as zeros", "(it has bytes that are no text: save it as UTF-8)"),
        ("empty", "FILE: YAML: the file is empty"),
        ("as a mark alone", "FILE: YAML: the file is empty"),
        ("as comments", "FILE: YAML: the file is empty"),
        ("twice", "more than one document is not supported (a line `---` begins another)"),
        ("with a conflict", "<<<<<<< HEAD"),
        ("as a list", "invalid type: sequence, expected a mapping of keys"),
        ("deep", "recursion limit exceeded at line "),
    ] {
        for answer in [log4rs(&saved(how, RIGHT)), fern(&saved(how, "local_root: /lab\n"))] {
            let answer = answer.unwrap_or_else(|| panic!("taken {how}"));
            assert!(answer.contains(words), "{how}: {answer}");
        }
    }
}
