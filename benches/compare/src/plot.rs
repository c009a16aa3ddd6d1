//! The chart: for each scenario a column of bars, times the bare write.

use std::path::Path;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::results::Results;
use crate::scenario::Scenario;
use crate::subjects::{Entry, BARE};

// All in pixels.
const NAMES: i32 = 290;
const COLUMN: i32 = 210;
const COLUMN_GAP: i32 = 30;
const HEAD: i32 = 56;
const ROW: i32 = 24;
const BAR: i32 = 15;
/// Room for the figure at the end of a bar.
const FIGURE: i32 = 42;

/// A bar ends here however long it should be: one slow logger must not flatten all others.
const LONGEST_BAR: f64 = 4.0;

const OURS: RGBColor = RGBColor(0x1f, 0x77, 0xb4);
const PEER: RGBColor = RGBColor(0xb0, 0xb7, 0xbf);
const LIMIT: RGBColor = RGBColor(0x44, 0x4a, 0x52);

pub fn write(
    file: &Path,
    results: &Results,
    scenarios: &[Scenario],
    entries: &[&'static Entry],
) -> Result<(), String> {
    let shown: Vec<String> = scenarios
        .iter()
        .filter(|s| !s.durable() && s.file_count() <= 100)
        .map(Scenario::name)
        .collect();
    draw(file, results, &shown, entries).map_err(|e| format!("drawing {}: {e}", file.display()))
}

fn draw(
    file: &Path,
    results: &Results,
    scenarios: &[String],
    entries: &[&'static Entry],
) -> Result<(), Box<dyn std::error::Error>> {
    let width = NAMES + scenarios.len() as i32 * (COLUMN + COLUMN_GAP);
    let height = HEAD + entries.len() as i32 * ROW + ROW / 2;
    let area = SVGBackend::new(file, (width as u32, height as u32)).into_drawing_area();
    area.fill(&WHITE)?;
    let text = |size: i32, at: HPos| {
        ("sans-serif", size).into_font().color(&LIMIT).pos(Pos::new(at, VPos::Center))
    };

    let title = "Time of one record until its last byte is in the kernel, times the bare write(2)";
    area.draw(&Text::new(title, (12, 16), text(15, HPos::Left)))?;
    for (column, scenario) in scenarios.iter().enumerate() {
        let left = NAMES + column as i32 * (COLUMN + COLUMN_GAP);
        area.draw(&Text::new(scenario.as_str(), (left, 40), text(13, HPos::Left)))?;
    }
    for (row, entry) in entries.iter().enumerate() {
        let middle = HEAD + row as i32 * ROW + ROW / 2;
        area.draw(&Text::new(entry.name, (NAMES - 10, middle), text(13, HPos::Right)))?;
        for (column, scenario) in scenarios.iter().enumerate() {
            let Some(ratio) = results.ratio(scenario, entry.name, BARE) else { continue };
            let left = NAMES + column as i32 * (COLUMN + COLUMN_GAP);
            let length = f64::from(COLUMN - FIGURE) * ratio.min(LONGEST_BAR) / LONGEST_BAR;
            let right = left + length as i32;
            let bar = [(left, middle - BAR / 2), (right, middle + BAR / 2)];
            area.draw(&Rectangle::new(bar, color(entry).filled()))?;
            area.draw(&Text::new(
                format!("{ratio:.2}"),
                (right + 5, middle),
                text(12, HPos::Left),
            ))?;
        }
    }
    area.present()?;
    Ok(())
}

fn color(entry: &Entry) -> RGBColor {
    match entry.name {
        BARE => LIMIT,
        _ if entry.is_ours() => OURS,
        _ => PEER,
    }
}
