//! The keys whose values are one of a few words, such as `block` or `drop`.

/// A value that is written as one of a few words.
pub(crate) trait Choice: Sized + Copy + 'static {
    /// Each word and its value.
    const WORDS: &'static [(&'static str, Self)];

    /// The value of a word. The error says what would be right.
    fn from_word(word: &str) -> Result<Self, String> {
        let found = Self::WORDS.iter().find(|(known, _)| *known == word);
        found.map(|(_, value)| *value).ok_or_else(|| {
            let known: Vec<_> = Self::WORDS.iter().map(|(word, _)| *word).collect();
            let known = match &known[..] {
                [a, b] => format!("{a} or {b}"),
                many => format!("one of {}", many.join(", ")),
            };
            format!("{word:?} is not {known}")
        })
    }
}

/// Gives an enum its words, with `FromStr` and `Display`.
macro_rules! choice {
    ($type:ty, $key:literal: $($word:literal => $value:path),+ $(,)?) => {
        impl $crate::config::choice::Choice for $type {
            const WORDS: &'static [(&'static str, Self)] = &[$(($word, $value)),+];
        }

        /// As it is written in YAML.
        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(match self { $($value => $word),+ })
            }
        }

        /// As it is written in YAML. The error names the key, and what would be right.
        impl std::str::FromStr for $type {
            type Err = $crate::Error;

            fn from_str(word: &str) -> Result<Self, $crate::Error> {
                <$type as $crate::config::choice::Choice>::from_word(word)
                    .map_err(|why| $crate::Error::config($key, why))
            }
        }
    };
}
choice! { crate::ControlCharacters, "control_characters":
    "escape" => crate::ControlCharacters::Escape,
    "keep" => crate::ControlCharacters::Keep,
}

choice! { crate::Precision, "precision":
    "seconds" => crate::Precision::Seconds,
    "millis" => crate::Precision::Millis,
}

choice! { crate::WhenFull, "queue.when_full":
    "block" => crate::WhenFull::Block,
    "drop" => crate::WhenFull::Drop,
}

choice! { crate::WhenDurable, "queue.durable":
    "wait" => crate::WhenDurable::Wait,
    "continue" => crate::WhenDurable::Continue,
}
