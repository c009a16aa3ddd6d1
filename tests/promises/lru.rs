//! The promise: beyond `max_open_files` the least recently used log is closed, so that a working set
//! that fits stays open, whatever else is logged now and then.
//!
//! Linux only: it opens ten thousand files, which takes Wine a minute, and it is the same code there.

#![cfg(target_os = "linux")]

use std::collections::VecDeque;

use crate::support::{alone, until};
use equipment_log::{EquipmentSink, Scope};
use log::Level;

const EQUIPMENT: usize = 500;
const MAX_OPEN_FILES: usize = 32;
const RECORDS: usize = 20_000;

/// Equipment as a plant uses it: number `n` is logged `1 / (n + 1)` times as often as the first. The
/// same sequence each time.
fn zipf() -> impl Iterator<Item = usize> {
    let weights = (1..=EQUIPMENT).map(|rank| 1.0 / rank as f64);
    let sums: Vec<f64> = weights
        .scan(0.0, |sum, weight| {
            *sum += weight;
            Some(*sum)
        })
        .collect();
    let mut state = 1u64;
    std::iter::repeat_with(move || {
        // Knuth's MMIX generator; its high bits are good enough to draw with.
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let drawn = (state >> 11) as f64 / (1u64 << 53) as f64 * sums[EQUIPMENT - 1];
        sums.partition_point(|sum| *sum < drawn)
    })
    .take(RECORDS)
}

/// How often a cache of that size that evicts the least recently used has to open something.
fn opens_of_lru(sequence: impl Iterator<Item = usize>) -> u64 {
    let (mut open, mut opens) = (VecDeque::new(), 0);
    for n in sequence {
        match open.iter().position(|it| *it == n) {
            Some(at) => drop(open.remove(at)),
            None => opens += 1,
        }
        open.push_back(n);
        if open.len() > MAX_OPEN_FILES {
            open.pop_front();
        }
    }
    opens
}

#[test]
fn it_opens_hardly_more_than_a_true_lru_would() {
    alone!();
    let root = tempfile::tempdir().unwrap();
    let sink = EquipmentSink::builder(root.path())
        .hostname("h")
        .max_open_files(MAX_OPEN_FILES)
        .build()
        .unwrap();
    let scopes: Vec<_> = (0..EQUIPMENT).map(|n| Scope::new(format!("EQ{n:03}")).unwrap()).collect();
    for n in zipf() {
        sink.write(&scopes[n], Level::Info, b"record").unwrap();
    }
    // What is evicted counts until the thread that closes it has done so.
    until("the closes", || sink.stats().open == MAX_OPEN_FILES as u64);
    let stats = sink.stats();
    let best = opens_of_lru(zipf());
    assert!(best > 1000, "{best} opens would not tell one cache from another");
    let opened = stats.total.opened;
    // First in, first out would open a tenth more.
    assert!(opened * 20 <= best * 21, "{opened} opens, where {best} would do");
    assert_eq!((stats.total.written, stats.total.lost), (RECORDS as u64, 0));
    assert_eq!(stats.total.evicted, opened - stats.open);
    println!("{opened} opens; a true LRU has {best}");
}
