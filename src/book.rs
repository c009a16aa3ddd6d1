//! The book has one page for each topic. [`first_steps`] also explains the words that the other pages use.
//!
//! | page | question that the page answers |
//! |---|---|
//! | [`first_steps`] | How do I get the first log, with log4rs or with fern? |
//! | [`equipment`] | Which equipment does a record belong to? |
//! | [`scopes`] | How do threads, pools, futures, streams, panic hooks and tests keep their equipment? |
//! | [`key_values`] | How do numbers get into the line, the path and the encoders? |
//! | [`keys`] | What does each configuration key mean, and which values are possible? |
//! | [`reload`] | What happens when the configuration file is edited? |
//! | [`rotation`] | How are logs kept for years? |
//! | [`queue`] | What changes when a separate thread writes? |
//! | [`ends`] | Which records are in the files after the program has ended? |
//! | [`durability`] | What is on disk when a log call returns, and what happens when a disk fails? |
//! | [`errors`] | What does each error and each counter mean? |
//! | [`reading`] | How are the logs of all equipment and hosts read together? |
//! | [`without_rust`] | How do you read a log with an editor or a terminal? |
//! | [`platforms`] | What is different on network shares, on Windows and on macOS? |
//! | [`processes`] | What happens with several processes, `fork` and signals? |
//! | [`security`] | Which attacks by an id, a message or a link are prevented? |
//! | [`moving`] | How do you move a program to this crate from other appenders, from Python or from `tracing`? |
//! | [`limitations`] | What does this crate not do? |
//! | [`comparison`] | How does this crate compare with other logging libraries? |
//! | [`architecture`] | How is the crate built, and where does a change belong? |

macro_rules! pages {
    ($($name:ident $text:literal)*) => {
        $(
            pub mod $name {
                #![doc = include_str!($text)]
            }
        )*
    };
}

pages! {
    first_steps "book/first_steps.md"
    equipment "book/equipment.md"
    scopes "book/scopes.md"
    key_values "book/key_values.md"
    keys "book/keys.md"
    reload "book/reload.md"
    rotation "book/rotation.md"
    queue "book/queue.md"
    ends "book/ends.md"
    durability "book/durability.md"
    errors "book/errors.md"
    reading "book/reading.md"
    without_rust "book/without_rust.md"
    platforms "book/platforms.md"
    processes "book/processes.md"
    security "book/security.md"
    moving "book/moving.md"
    limitations "book/limitations.md"
    comparison "book/comparison.md"
    architecture "book/architecture.md"
}
