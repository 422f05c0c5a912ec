//! The figure of an outcome: panels with lines, as SVG.
//!
//! ```text
//!   Outcome ─▶ Figure { panels { lines { points } } } ─▶ SVG
//! ```

use std::ops::Range;

use plotters::chart::{ChartBuilder, SeriesLabelPosition};
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, IntoDrawingArea as _};
use plotters::element::{Circle, PathElement};
use plotters::prelude::SVGBackend;
use plotters::series::LineSeries;
use plotters::style::{BLACK, Color as _, RGBColor, WHITE};

use super::balance::{Efficiency, Imbalance};
use super::movement::Moved;
use super::outcome::{Figures, Findings, Outcome, Trial};
use super::plan::{Experiment, Panel, Plot, Subject};

/// Size of one panel, in pixels.
const PANEL: (u32, u32) = (480, 400);

/// The colours of lines, one after another: told apart also by who sees few colours.
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(90, 90, 90),
];

/// The figure could not be drawn. What it would have shown is in the table and in the JSON.
#[derive(Debug, thiserror::Error)]
#[error("the figure could not be drawn: {0}")]
pub struct DrawingError(String);

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

fn failed(error: impl ToString) -> DrawingError {
    DrawingError(error.to_string())
}

/// What is drawn.
pub(super) struct Figure {
    title: String,
    panels: Vec<Panelled>,
}

/// One coordinate system.
struct Panelled {
    title: String,
    x_label: String,
    y_label: String,
    /// The points' x are powers of ten.
    x_is_logarithm: bool,
    /// Points are marked: what lies between them has not been measured.
    marks: bool,
    /// Where lines leave room for their names.
    names_at: SeriesLabelPosition,
    lines: Vec<Line>,
}

struct Line {
    name: String,
    points: Vec<(f64, f64)>,
}

impl Figure {
    pub(super) fn of(experiment: &Experiment, outcome: &Outcome) -> Self {
        let panels = match (&outcome.findings, &experiment.subject) {
            (Findings::Trials(trials), Subject::Cluster { plot: Plot::Lines { panels, x_label }, .. }) => {
                panels.iter().map(|panel| of_quantity(*panel, x_label, trials)).collect()
            }
            (Findings::Trials(trials), _) => {
                vec![distribution("get", trials, |trial| &trial.get), distribution("put", trials, |trial| &trial.put)]
            }
            (Findings::Balance { efficiencies, imbalances }, _) => {
                vec![of_imbalance(imbalances), of_efficiency(efficiencies)]
            }
            (Findings::Movement(moved), _) => vec![
                of_movement("partitions with another owner", moved, Moved::owners_over_least),
                of_movement("copies to be fetched", moved, Moved::copies_over_least),
            ],
        };
        Self {
            title: outcome.title.clone(),
            panels: panels.into_iter().filter(|panel| !panel.lines.is_empty()).collect(),
        }
    }

    pub(super) fn to_svg(&self) -> Result<String, DrawingError> {
        let mut svg = String::new();
        {
            let count = self.panels.len().max(1);
            let width = PANEL.0 * u32::try_from(count).unwrap_or(1);
            let area = SVGBackend::with_string(&mut svg, (width, PANEL.1)).into_drawing_area();
            area.fill(&WHITE).map_err(failed)?;
            let area = area.titled(&self.title, ("sans-serif", 18)).map_err(failed)?;
            for (panel, place) in self.panels.iter().zip(area.split_evenly((1, count))) {
                panel.draw(&place)?;
            }
            area.present().map_err(failed)?;
        }
        Ok(svg)
    }
}

impl Panelled {
    fn draw(&self, area: &Area<'_>) -> Result<(), DrawingError> {
        let mut chart = ChartBuilder::on(area)
            .caption(&self.title, ("sans-serif", 15))
            .margin(10)
            .x_label_area_size(40)
            .y_label_area_size(60)
            .build_cartesian_2d(self.range(|point| point.0, self.x_is_logarithm), self.range(|point| point.1, false))
            .map_err(failed)?;
        let x_text = |x: &f64| number(if self.x_is_logarithm { 10_f64.powf(*x) } else { *x });
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .x_desc(&self.x_label)
            .y_desc(&self.y_label)
            .x_label_formatter(&x_text)
            .y_label_formatter(&|y| number(*y))
            .draw()
            .map_err(failed)?;
        for (line, colour) in self.lines.iter().zip(COLOURS.iter().cycle()) {
            let sample = |(x, y)| PathElement::new(vec![(x, y), (x + 16, y)], colour.stroke_width(2));
            let drawn = LineSeries::new(line.points.iter().copied(), colour.stroke_width(2));
            chart.draw_series(drawn).map_err(failed)?.label(&line.name).legend(sample);
            let marks = line.points.iter().filter(|_| self.marks).map(|point| Circle::new(*point, 3, colour.filled()));
            chart.draw_series(marks).map_err(failed)?;
        }
        let labels = &mut chart.configure_series_labels();
        labels
            .position(self.names_at.clone())
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK.mix(0.3))
            .draw()
            .map_err(failed)
    }

    /// From 0, or the least, to a little more than the most.
    fn range(&self, part: impl Fn(&(f64, f64)) -> f64, from_least: bool) -> Range<f64> {
        let all = || self.lines.iter().flat_map(|line| &line.points).map(&part);
        let least = all().fold(f64::INFINITY, f64::min);
        let least = if from_least && least.is_finite() { least } else { least.min(0.0) };
        let most = all().fold(least, f64::max);
        let room = if most > least { (most - least) * 0.05 } else { 1.0 };
        least..most + room
    }
}

/// Without a fraction where it says nothing.
fn number(value: f64) -> String {
    let rounded = (value * 100.0).round() / 100.0;
    format!("{rounded}")
}

/// How many requests took how long at most.
fn distribution(name: &str, trials: &[Trial], figures: impl Fn(&Trial) -> &Figures) -> Panelled {
    let line = |trial: &Trial| Line { name: trial.case.name.clone(), points: steps(figures(trial).sample.sorted()) };
    Panelled {
        title: format!("{name} latency"),
        x_label: "ms".to_owned(),
        y_label: "% of requests".to_owned(),
        x_is_logarithm: false,
        marks: false,
        names_at: SeriesLabelPosition::LowerRight,
        lines: trials.iter().map(line).filter(|line| !line.points.is_empty()).collect(),
    }
}

/// The share, in percent, that is no greater than each of these numbers, as the corners of stairs.
fn steps(sorted: &[f64]) -> Vec<(f64, f64)> {
    let percent = |count: usize| count as f64 * 100.0 / sorted.len() as f64;
    let mut below = 0;
    let groups = sorted.chunk_by(|a, b| a == b);
    let corners = groups.flat_map(|group| {
        let before = percent(below);
        below += group.len();
        [(group[0], before), (group[0], percent(below))]
    });
    corners.collect()
}

fn of_quantity(panel: Panel, x_label: &str, trials: &[Trial]) -> Panelled {
    let (title, y_label) = match panel {
        Panel::GetMean => ("mean of gets", "ms"),
        Panel::PutMean => ("mean of puts", "ms"),
        Panel::GetP99 => ("99th percentile of gets", "ms"),
        Panel::PutP99 => ("99th percentile of puts", "ms"),
        Panel::GetRate => ("gets", "per second"),
        Panel::PutRate => ("puts", "per second"),
        Panel::Busiest => ("busiest node", "of the mean"),
    };
    let points = trials.iter().map(|trial| (trial.case.series.clone(), (trial.case.x, trial.quantity(panel))));
    Panelled {
        title: title.to_owned(),
        x_label: x_label.to_owned(),
        y_label: y_label.to_owned(),
        x_is_logarithm: false,
        marks: true,
        names_at: SeriesLabelPosition::UpperLeft,
        lines: lines(points),
    }
}

fn of_imbalance(imbalances: &[Imbalance]) -> Panelled {
    let name = |one: &Imbalance| one.partitions.map_or_else(|| "even".to_owned(), |q| format!("{q} partitions"));
    let points = imbalances.iter().map(|one| (name(one), ((one.load as f64).log10(), one.out_of_balance_percent)));
    Panelled {
        title: "imbalance against load".to_owned(),
        x_label: "requests in an interval".to_owned(),
        y_label: "% of nodes out of balance".to_owned(),
        x_is_logarithm: true,
        marks: true,
        names_at: SeriesLabelPosition::UpperRight,
        lines: lines(points),
    }
}

fn of_efficiency(efficiencies: &[Efficiency]) -> Panelled {
    let claimed = efficiencies.iter().map(|one| (format!("{}", one.partitions), (one.nodes as f64, one.claimed)));
    let drawn = efficiencies
        .iter()
        .map(|one| (format!("{} random tokens", one.partitions), (one.nodes as f64, one.random_tokens)));
    Panelled {
        title: "balance efficiency".to_owned(),
        x_label: "nodes".to_owned(),
        y_label: "mean load / greatest load".to_owned(),
        x_is_logarithm: false,
        marks: true,
        names_at: SeriesLabelPosition::LowerLeft,
        lines: lines(claimed.chain(drawn)),
    }
}

/// Joins and leaves by the number of nodes that there are after them.
fn of_movement(title: &str, moved: &[Moved], over_least: fn(&Moved) -> f64) -> Panelled {
    let name =
        |one: &Moved| format!("{} partitions, {}", one.partitions, if one.is_join() { "joins" } else { "leaves" });
    let points = moved.iter().map(|one| (name(one), (one.nodes_after as f64, over_least(one))));
    Panelled {
        title: title.to_owned(),
        x_label: "nodes after the change".to_owned(),
        y_label: "times the least".to_owned(),
        x_is_logarithm: false,
        marks: true,
        names_at: SeriesLabelPosition::LowerRight,
        lines: lines(points),
    }
}

/// Points with the same name make a line; lines are in the order of their first points.
fn lines(points: impl Iterator<Item = (String, (f64, f64))>) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for (name, point) in points {
        match lines.iter_mut().find(|line| line.name == name) {
            Some(line) => line.points.push(point),
            None => lines.push(Line { name, points: vec![point] }),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Figure, Line, Panelled, SeriesLabelPosition, lines, number, steps};

    proptest! {
        #[test]
        fn stairs_go_from_nothing_to_everything_and_never_down(numbers in prop::collection::vec(0_u32..20, 1..100)) {
            let mut sorted: Vec<f64> = numbers.into_iter().map(f64::from).collect();
            sorted.sort_by(f64::total_cmp);
            let steps = steps(&sorted);
            prop_assert_eq!((steps[0].1, steps[steps.len() - 1].1), (0.0, 100.0));
            prop_assert!(steps.windows(2).all(|pair| pair[0].0 <= pair[1].0 && pair[0].1 <= pair[1].1));
            prop_assert_eq!(steps.len() % 2, 0);
        }
    }

    #[test]
    fn what_is_named_alike_is_one_line() {
        let points = [("a", (1.0, 2.0)), ("b", (1.0, 3.0)), ("a", (2.0, 4.0))];
        let lines = lines(points.into_iter().map(|(name, point)| (name.to_owned(), point)));
        let found: Vec<_> = lines.into_iter().map(|Line { name, points }| (name, points)).collect();
        assert_eq!(found, [("a".to_owned(), vec![(1.0, 2.0), (2.0, 4.0)]), ("b".to_owned(), vec![(1.0, 3.0)])]);
        assert_eq!([number(20.0), number(0.125), number(1e6)], ["20", "0.13", "1000000"]);
    }

    /// Also where there is nothing to draw, or only one point.
    #[test]
    fn every_figure_is_svg_with_its_texts() {
        let panel = |points: Vec<(f64, f64)>| Panelled {
            title: "get latency".to_owned(),
            x_label: "ms".to_owned(),
            y_label: "%".to_owned(),
            x_is_logarithm: false,
            marks: true,
            names_at: SeriesLabelPosition::UpperLeft,
            lines: vec![Line { name: "R < 2".to_owned(), points }],
        };
        for panels in [vec![], vec![panel(vec![])], vec![panel(vec![(0.0, 0.0)]), panel(vec![(1.0, 5.0), (2.0, 7.0)])]]
        {
            let count = panels.len();
            let svg = Figure { title: "an experiment".to_owned(), panels }.to_svg().expect("a figure");
            assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>") && svg.contains("an experiment"));
            assert_eq!(svg.matches("get latency").count(), count);
            assert_eq!(svg.contains("R &lt; 2"), count > 0, "{svg}");
        }
    }
}
