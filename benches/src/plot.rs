//! Speeds by size, drawn.

use std::error::Error;
use std::path::Path;

use plotters::prelude::*;

/// One line of a plot.
pub struct Line {
    /// What it is called in the legend.
    pub name: String,
    /// MB, and GB/s.
    pub points: Vec<(f64, f64)>,
}

/// Draws the speed of whole dumps over their size, as SVG.
///
/// # Errors
/// Where the file cannot be written.
pub fn speeds(file: &Path, lines: &[Line]) -> Result<(), Box<dyn Error>> {
    let points = || lines.iter().flat_map(|line| &line.points);
    let (least, most) = points().fold((f64::INFINITY, 0.0f64), |(a, b), p| (a.min(p.0), b.max(p.0)));
    let fastest = points().fold(0.0f64, |most, p| most.max(p.1));
    let area = SVGBackend::new(file, (860, 480)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .margin(16)
        .x_label_area_size(44)
        .y_label_area_size(54)
        .build_cartesian_2d((least..most * 8.0).log_scale(), 0.0..fastest * 1.1)?;
    chart.configure_mesh().x_desc("heap, MB").y_desc("dump, GB/s").light_line_style(WHITE).draw()?;
    for (n, line) in lines.iter().enumerate() {
        let colour = Palette99::pick(n).to_rgba();
        // Small objects and all of them: two lines for a machine, told apart by their width.
        let style = colour.stroke_width(1 + n as u32 % 2);
        chart
            .draw_series(LineSeries::new(line.points.iter().copied(), style).point_size(3))?
            .label(&line.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::MiddleRight)
        .background_style(WHITE.mix(0.9))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    area.present()?;
    Ok(())
}
