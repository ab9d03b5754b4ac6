//! The table, as Markdown that is also aligned.

use comfy_table::{CellAlignment, Table, presets::ASCII_MARKDOWN};

use super::{Bar, Line, Report, Unit};

const HEADER: [&str; 9] = [
    "row",
    "what",
    "floor",
    "WatchMe",
    "ratio",
    "bar",
    "met",
    "CPU of an answer, µs",
    "p50 / p99, ms",
];
/// The columns of numbers.
const RIGHT: [usize; 3] = [2, 3, 4];

pub(super) fn text(report: &Report) -> String {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_header(HEADER);
    for column in RIGHT {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut notes = String::new();
    for line in &report.lines {
        table.add_row(cells(line));
        if let Some(note) = &line.note {
            notes += &format!("- {}, {}: {note}\n", line.row, line.what);
        }
    }
    let Report { cores, round_seconds, rounds, .. } = report;
    format!(
        "{table}\n\n{notes}- {cores} cores; where two figures are compared, medians of {rounds} \
         rounds of {round_seconds} s of each"
    )
}

fn cells(line: &Line) -> [String; 9] {
    let Line { row, what, reference, measured, unit, ratio, bar, met, cpu, times, .. } = line;
    let value = |value: &Option<f64>| value.map(|it| figure(it, *unit)).unwrap_or_default();
    let asked = |bar: &Bar| {
        let (sign, number) = match bar {
            Bar::AtLeast(number) => ("≥", number),
            Bar::AtMost(number) => ("≤", number),
            Bar::Below(number) => ("<", number),
        };
        match ratio {
            Some(_) => format!("{sign} {number:.2}"),
            None => format!("{sign} {}", figure(*number, *unit)),
        }
    };
    let verdict = match met {
        Some(true) => "yes",
        Some(false) => "NO",
        None => "",
    };
    [
        (*row).to_owned(),
        what.clone(),
        value(reference),
        value(measured),
        ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default(),
        bar.as_ref().map(asked).unwrap_or_default(),
        verdict.to_owned(),
        cpu.map(|sides| sides.map(short).join(" → ")).unwrap_or_default(),
        times.map(|sides| sides.map(pair).join(" → ")).unwrap_or_default(),
    ]
}

fn pair([p50, p99]: [f64; 2]) -> String {
    format!("{} / {}", short(p50), short(p99))
}

fn figure(value: f64, unit: Unit) -> String {
    match unit {
        Unit::PerSecond => format!("{}/s", short(value)),
        Unit::Microseconds => format!("{} µs", short(value)),
        Unit::Milliseconds => format!("{} ms", short(value)),
        Unit::Seconds => format!("{} s", short(value)),
        Unit::Megabytes => format!("{} MB", short(value)),
        Unit::Count => format!("{value:.0}"),
    }
}

/// As many digits as mean something.
fn short(value: f64) -> String {
    match value.abs() {
        it if it < 10.0 => {
            format!("{value:.2}").trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        it if it < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_the_digits_that_mean_something() {
        assert_eq!(figure(41_234.6, Unit::PerSecond), "41235/s");
        assert_eq!(figure(13.04, Unit::Microseconds), "13.0 µs");
        assert_eq!(figure(0.8, Unit::Milliseconds), "0.8 ms");
        assert_eq!(figure(2.0, Unit::Seconds), "2 s");
    }

    #[test]
    fn a_bar_is_asked_of_the_ratio_where_there_is_one() {
        let line = Line::figure("x", "x", 50.0, Unit::Megabytes).bar(Bar::Below(40.0));
        assert_eq!((line.met, cells(&line)[5].as_str()), (Some(false), "< 40.0 MB"));
        let line = Line::figure("x", "x", 50.0, Unit::PerSecond).against(60.0, 0.83);
        let line = line.bar(Bar::AtLeast(0.8));
        assert_eq!((line.met, cells(&line)[5].as_str()), (Some(true), "≥ 0.80"));
    }
}
