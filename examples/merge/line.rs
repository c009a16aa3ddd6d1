//! Where the parts of a structured line are, without reading it.

/// Where the message begins: behind the time, the level and the tags.
pub(crate) fn message_at(line: &str) -> Option<usize> {
    let mut at = line.find("] ").or_else(|| line.strip_suffix(']').map(str::len))? + 1;
    while line[at..].starts_with(" [") {
        match tag_end(&line[at + 2..]) {
            Some(end) => at += 2 + end,
            None => break,
        }
    }
    line[at..].starts_with(' ').then_some(at + 1)
}

/// Behind the bracket that ends a tag; none where it is no tag.
fn tag_end(tag: &str) -> Option<usize> {
    let mut has_key = false;
    let mut bytes = tag.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'\\' => drop(bytes.next()),
            b':' => has_key = true,
            b']' => return has_key.then_some(at + 1),
            _ => {}
        }
    }
    None
}

/// A message with its line ends and tabs as such. Other control characters stay escaped: they could command a
/// terminal.
pub(crate) fn unfold(message: &str, out: &mut String) {
    let mut chars = message.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push_str("\n    "),
            Some('r') if chars.as_str().starts_with("\\n") => {}
            Some('t') => out.push('\t'),
            Some(c @ ('r' | 'u')) => out.extend(['\\', c]),
            Some(c) => out.push(c),
            None => out.push('\\'),
        }
    }
}
