//! What came out, what had to come out, and the verdict; as JSON and as a table.
//!
//! # Invariants
//! * A comparison is judged only if its reference was steady ([`SPREAD_MAX`]) and others left the
//!   cores alone ([`OTHERS_SHARE_MAX`]): who gets one of two cores all the time is steady, too.
//! * The document is changed between its two markers and nowhere else.
//!
//! # Spec
//! docs/performance.md
//!
//! # Not here
//! How figures come about: [`crate::rounds`].

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use serde_json::{Value, json};

use crate::rounds::{OTHERS_SHARE_MAX, Series};

/// A reference that varies by more than this says nothing about us.
pub const SPREAD_MAX: f64 = 0.15;
/// The table stands between these lines of the document.
const BEGIN: &str = "<!-- measured: begin -->";
const END: &str = "<!-- measured: end -->";

/// What a figure must be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
    /// Whatever it is: there is no goal for it, it explains another figure.
    None,
}

impl Limit {
    fn holds(self, figure: f64) -> bool {
        match self {
            Self::AtLeast(least) => figure >= least,
            Self::AtMost(most) => figure <= most,
            Self::None => true,
        }
    }
}

/// What one line of the table says.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Row of the table of goals.
    pub row: &'static str,
    /// What was measured.
    pub what: String,
    /// Unit of `ours` and of the reference.
    pub unit: &'static str,
    /// Our figures.
    pub ours: Series,
    /// What they stand beside.
    pub reference: Option<Series>,
    /// What is judged.
    pub judged: Judged,
    /// What it must be.
    pub limit: Limit,
}

/// The figure that is held against the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged {
    /// Ours divided by the reference, within rounds.
    Ratio,
    /// The median of ours; a reference only tells how fast the machine is.
    Median,
}

/// How a finding is to be taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// The limit holds.
    Reached,
    /// It does not.
    FallsShort,
    /// There is no limit.
    NoGoal,
    /// The reference varied by this share: no judgement.
    NotJudged(f64),
    /// Others used this share of the cores: no judgement.
    Disturbed(f64),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reached => f.write_str("reached"),
            Self::FallsShort => f.write_str("**falls short**"),
            Self::NoGoal => f.write_str("-"),
            Self::Disturbed(share) => {
                let percent = share * 100.0;
                write!(f, "not judged: others used {percent:.0} % of the cores")
            }
            Self::NotJudged(spread) => {
                write!(
                    f,
                    "not judged: the reference varied by {:.0} %",
                    spread * 100.0
                )
            }
        }
    }
}

impl Finding {
    /// Ours compared with a reference.
    #[must_use]
    pub fn ratio(
        row: &'static str,
        what: impl Into<String>,
        unit: &'static str,
        [ours, reference]: [&Series; 2],
        limit: Limit,
    ) -> Self {
        Self {
            row,
            what: what.into(),
            unit,
            ours: ours.clone(),
            reference: Some(reference.clone()),
            judged: Judged::Ratio,
            limit,
        }
    }

    /// A figure that stands for itself.
    #[must_use]
    pub fn absolute(
        row: &'static str,
        what: impl Into<String>,
        unit: &'static str,
        ours: Series,
        limit: Limit,
    ) -> Self {
        Self {
            row,
            what: what.into(),
            unit,
            ours,
            reference: None,
            judged: Judged::Median,
            limit,
        }
    }

    /// The same, with a reference that tells how fast the machine is.
    #[must_use]
    pub fn beside(mut self, reference: &Series) -> Self {
        self.reference = Some(reference.clone());
        self
    }

    /// The figure that is held against the limit.
    #[must_use]
    pub fn figure(&self) -> f64 {
        match (&self.judged, &self.reference) {
            (Judged::Ratio, Some(reference)) => self.ours.ratio_to(reference),
            _ => self.ours.median(),
        }
    }

    /// The verdict.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let spread = self.reference.as_ref().map_or(0.0, Series::spread);
        if self.limit == Limit::None {
            Verdict::NoGoal
        } else if self.ours.others > OTHERS_SHARE_MAX {
            Verdict::Disturbed(self.ours.others)
        } else if spread > SPREAD_MAX {
            Verdict::NotJudged(spread)
        } else if self.limit.holds(self.figure()) {
            Verdict::Reached
        } else {
            Verdict::FallsShort
        }
    }

    fn to_json(&self) -> Value {
        let series = |series: &Series| {
            json!({
                "name": series.name, "median": series.median(),
                "spread": series.spread(), "rounds": series.figures, "others": series.others,
            })
        };
        json!({
            "row": self.row, "what": self.what, "unit": self.unit, "ours": series(&self.ours),
            "reference": self.reference.as_ref().map(series), "figure": self.figure(),
            "limit": match self.limit {
                Limit::AtLeast(least) => json!({ "at_least": least }),
                Limit::AtMost(most) => json!({ "at_most": most }),
                Limit::None => Value::Null,
            },
            "verdict": self.verdict().to_string().replace('*', ""),
        })
    }

    fn to_line(&self) -> String {
        let Self {
            row,
            what,
            unit,
            ours,
            ..
        } = self;
        let reference = self.reference.as_ref().map_or_else(
            || "-".to_owned(),
            |bare| {
                let (median, spread) = (rounded(bare.median()), bare.spread() * 100.0);
                format!("{}: {median} {unit} (±{:.0} %)", bare.name, spread / 2.0)
            },
        );
        let figure = match self.judged {
            Judged::Ratio => format!("**{:.2}**", self.figure()),
            Judged::Median => format!("**{}**", rounded(self.figure())),
        };
        let limit = match self.limit {
            Limit::AtLeast(least) => format!("at least {}", rounded(least)),
            Limit::AtMost(most) => format!("at most {}", rounded(most)),
            Limit::None => "-".to_owned(),
        };
        let (ours, verdict) = (rounded(ours.median()), self.verdict());
        format!("| {row} | {what} | {ours} {unit} | {reference} | {figure} | {limit} | {verdict} |")
    }
}

/// Three digits of a figure, and all of them before the point.
fn rounded(figure: f64) -> String {
    let decimals = match figure.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    let text = format!("{figure:.decimals$}");
    let (whole, rest) = text.split_once('.').unwrap_or((&text, ""));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if rest.is_empty() {
        grouped
    } else {
        format!("{grouped}.{rest}")
    }
}

/// Everything that one run found.
#[derive(Clone, Debug)]
pub struct Report {
    /// Which commit ran.
    pub commit: String,
    /// Where.
    pub machine: String,
    /// How much: messages and rounds, in words.
    pub size: String,
    /// What came out.
    pub findings: Vec<Finding>,
    /// What could not be measured, and why.
    pub missing: Vec<String>,
}

impl Report {
    /// The report as JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let findings: Vec<Value> = self.findings.iter().map(Finding::to_json).collect();
        json!({
            "commit": self.commit, "machine": self.machine, "size": self.size,
            "findings": findings, "not_measured": self.missing,
        })
    }

    /// The report as a table in Markdown.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let Self {
            commit,
            machine,
            size,
            ..
        } = self;
        let mut text = format!("Commit {commit}; {machine}; {size}.\n\n");
        text += "| row | what | ours | reference | figure | must be | verdict |\n";
        text += "|---|---|---|---|---|---|---|\n";
        for finding in &self.findings {
            text += &finding.to_line();
            text.push('\n');
        }
        for missing in &self.missing {
            text += &format!("\nNot measured: {missing}.\n");
        }
        text
    }

    /// Replaces what stands between the markers of `document`.
    ///
    /// # Errors
    /// The file cannot be read or written, or has no markers.
    pub fn write_into(&self, document: &Path) -> io::Result<()> {
        let text = fs::read_to_string(document)?;
        let changed = between_markers(&text, &self.to_markdown());
        let changed = changed.ok_or_else(|| io::Error::other("the document has no markers"))?;
        fs::write(document, changed)
    }
}

fn between_markers(text: &str, table: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{table}{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(name: &str, figures: &[f64]) -> Series {
        Series::of(name, figures.to_vec())
    }

    fn finding(reference: &[f64]) -> Finding {
        let (ours, bare) = (series("ours", &[80.0; 3]), series("bare", reference));
        Finding::ratio("4", "a check", "1/s", [&ours, &bare], Limit::AtLeast(0.85))
    }

    #[test]
    fn a_restless_reference_is_no_judge() {
        assert_eq!(finding(&[90.0, 91.0, 92.0]).verdict(), Verdict::Reached);
        assert_eq!(
            finding(&[100.0, 101.0, 99.0]).verdict(),
            Verdict::FallsShort
        );
        let restless = finding(&[80.0, 100.0, 100.0]).verdict();
        assert_eq!(restless, Verdict::NotJudged(0.2));
        let mut disturbed = finding(&[90.0; 3]);
        disturbed.ours.others = 0.5;
        assert_eq!(disturbed.verdict(), Verdict::Disturbed(0.5));
    }

    #[test]
    fn an_absolute_figure_is_judged_by_its_median() {
        let figures = series("ours", &[3.0, 9.0, 4.0]);
        let absolute = Finding::absolute("9", "a wait", "ms", figures, Limit::AtMost(5.0));
        assert_eq!(absolute.verdict(), Verdict::Reached);
        assert!(
            absolute
                .to_line()
                .contains("| 4.00 ms | - | **4.00** | at most 5.00 | reached |")
        );
    }

    #[test]
    fn figures_are_readable() {
        assert_eq!(rounded(1_234_567.8), "1,234,568");
        assert_eq!(rounded(0.846), "0.85");
        assert_eq!(rounded(12.34), "12.3");
        assert_eq!(rounded(999.0), "999");
    }

    #[test]
    fn only_what_stands_between_the_markers_is_replaced() {
        let text = format!("head\n{BEGIN}\nold\n{END}\nfoot\n");
        let changed = between_markers(&text, "new\n").expect("markers");
        assert_eq!(changed, format!("head\n{BEGIN}\nnew\n{END}\nfoot\n"));
        assert_eq!(between_markers("no markers", "new"), None);
    }

    #[test]
    fn the_json_names_every_figure() {
        let report = Report {
            commit: "abc".into(),
            machine: "a machine".into(),
            size: "3 rounds".into(),
            findings: vec![finding(&[100.0, 101.0, 99.0])],
            missing: Vec::new(),
        };
        let json = report.to_json();
        assert_eq!(json["findings"][0]["verdict"], "falls short");
        assert_eq!(json["findings"][0]["limit"]["at_least"], 0.85);
        assert_eq!(json["findings"][0]["ours"]["rounds"][2], 80.0);
    }
}
