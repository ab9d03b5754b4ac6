//! Throughput and latency of permitted lists against connections, as SVG.

use std::{fmt::Display, path::Path};

use plotters::{
    coord::{combinators::LogCoord, ranged1d::Ranged},
    prelude::*,
};

use super::{Point, Report};
use crate::error::{BenchError, Outcome};

const SIZE: (u32, u32) = (900, 900);
const FLOOR: RGBColor = RGBColor(130, 130, 130);
const WATCHME: RGBColor = RGBColor(20, 110, 180);

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
/// What a line is called, its colour and whether it is thin, its points, and what of them it shows.
type Curve<'a> = (&'a str, RGBColor, u32, &'a [Point], fn(&Point) -> f64);

pub(super) fn draw(report: &Report, path: &Path) -> Outcome<()> {
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE).map_err(failed)?;
    let (upper, lower) = root.split_vertically(SIZE.1 / 2);
    let (floor, watchme) = (&report.floor_curve[..], &report.curve[..]);
    let throughput: fn(&Point) -> f64 = |point| point.throughput;
    chart(
        &upper,
        "permitted lists a second",
        &[("floor", FLOOR, 2, floor, throughput), ("WatchMe", WATCHME, 2, watchme, throughput)],
        false,
    )?;
    let p50: fn(&Point) -> f64 = |point| point.p50;
    let p99: fn(&Point) -> f64 = |point| point.p99;
    chart(
        &lower,
        "milliseconds",
        &[
            ("floor, p50", FLOOR, 1, floor, p50),
            ("floor, p99", FLOOR, 2, floor, p99),
            ("WatchMe, p50", WATCHME, 1, watchme, p50),
            ("WatchMe, p99", WATCHME, 2, watchme, p99),
        ],
        true,
    )?;
    root.present().map_err(failed)
}

fn chart(area: &Area<'_>, title: &str, curves: &[Curve<'_>], logarithmic: bool) -> Outcome<()> {
    let values = || curves.iter().flat_map(|(_, _, _, points, value)| points.iter().map(value));
    let connections =
        || curves.iter().flat_map(|curve| curve.3.iter().map(|it| it.connections as f64));
    let x = (connections().fold(f64::MAX, f64::min)..connections().fold(1.0, f64::max)).log_scale();
    let top = values().fold(0.0, f64::max) * 1.1;
    let mut builder = ChartBuilder::on(area);
    builder
        .caption(format!("{title} against connections"), ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(32)
        .y_label_area_size(64);
    // The two kinds of axis are two types.
    if logarithmic {
        let bottom = values().fold(top, f64::min).max(0.01) / 1.2;
        let mut chart = builder.build_cartesian_2d(x, (bottom..top).log_scale()).map_err(failed)?;
        chart.configure_mesh().x_desc("connections").draw().map_err(failed)?;
        lines(&mut chart, curves)?;
    } else {
        let mut chart = builder.build_cartesian_2d(x, 0.0..top).map_err(failed)?;
        chart.configure_mesh().x_desc("connections").draw().map_err(failed)?;
        lines(&mut chart, curves)?;
    }
    Ok(())
}

fn lines<'a, Y: Ranged<ValueType = f64>>(
    chart: &mut ChartContext<'a, SVGBackend<'a>, Cartesian2d<LogCoord<f64>, Y>>,
    curves: &[Curve<'_>],
) -> Outcome<()> {
    for (name, colour, width, points, value) in curves {
        let (colour, width) = (*colour, *width);
        let line = points.iter().map(|point| (point.connections as f64, value(point)));
        chart
            .draw_series(LineSeries::new(line, colour.stroke_width(width)))
            .map_err(failed)?
            .label(*name)
            .legend(move |(x, y)| {
                PathElement::new([(x, y), (x + 20, y)], colour.stroke_width(width))
            });
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .border_style(FLOOR)
        .draw()
        .map_err(failed)
}

fn failed(error: impl Display) -> BenchError {
    BenchError::unexpected(format!("the plot: {error}"))
}
