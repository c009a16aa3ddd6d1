//! Finds the known name that was probably meant.
//!
//! The distance is Jaro and Winkler's: it gives weight to the beginning of a name, where people seldom make mistakes.

/// From here on a name is near enough to be worth a question.
const NEAR: f64 = 0.86;

/// ` (was X meant?)`, or nothing where no known name is near.
pub(crate) fn probably<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    match nearest(name, known) {
        Some(meant) => format!(" (was `{meant}` meant?)"),
        None => String::new(),
    }
}

/// The known name that is nearest to `name`.
pub(crate) fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let name = name.trim().to_lowercase().replace(['-', ' ', '.'], "_");
    let distance = |known: &str| match name.len() > 2 && known.split('_').any(|part| part == name) {
        // A part of a name is more than a name that looks alike.
        true => 1.0,
        false => strsim::jaro_winkler(&name, known),
    };
    let near = known.into_iter().map(|known| (distance(known), known));
    near.filter(|(near, _)| *near >= NEAR)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| known)
}

/// The known name that was mistyped: one letter is wrong, missing, too much or in the wrong place, or the first word
/// stands alone.
///
/// This is stricter than [`nearest`], since any other name is valid here.
#[cfg(feature = "log4rs")]
pub(crate) fn mistyped<'k>(
    name: &str,
    known: impl IntoIterator<Item = &'k str>,
) -> Option<&'k str> {
    let name = name.to_lowercase().replace('-', "_");
    known.into_iter().find(|known| {
        strsim::osa_distance(&name, known) <= 1
            || known.split_once('_').is_some_and(|(first, _)| first == name)
    })
}

/// Names one after the other: `` `a`, `b` and `c` ``.
pub(crate) fn list(names: &[&str]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_answered_with_the_name() {
        let keys = ["local_root", "hostname", "fsync_level", "max_open_files", "rotation", "queue"];
        for (slip, meant) in [
            ("local_rot", Some("local_root")),
            ("root", Some("local_root")),
            ("local-root", Some("local_root")),
            ("Hostname", Some("hostname")),
            ("fsync_levle", Some("fsync_level")),
            ("fsync", Some("fsync_level")),
            ("max_files", Some("max_open_files")),
            ("rotate", Some("rotation")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(slip, keys), meant, "{slip}");
        }
    }
}
