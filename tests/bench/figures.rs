//! Times, and the tables that show them.

use std::time::Duration;

/// The times of one row, sorted, nanoseconds.
pub struct Times(Vec<u32>);

impl Times {
    pub fn new(mut nanos: Vec<u32>) -> Self {
        nanos.sort_unstable();
        Self(nanos)
    }

    pub fn least_us(&self) -> f64 {
        self.percentile_us(0)
    }

    pub fn median_us(&self) -> f64 {
        self.percentile_us(50)
    }

    pub fn p99_us(&self) -> f64 {
        self.percentile_us(99)
    }

    fn percentile_us(&self, percent: usize) -> f64 {
        let at = (self.0.len() * percent / 100).min(self.0.len().saturating_sub(1));
        self.0.get(at).map_or(f64::NAN, |&nanos| f64::from(nanos) / 1000.0)
    }
}

/// A time that fits a row: none of them takes four seconds.
pub fn nanos(time: Duration) -> u32 {
    u32::try_from(time.as_nanos()).unwrap_or(u32::MAX)
}

/// Prints a table: the first and the last column to the left, numbers to the right.
pub fn print_table(head: &[&str], rows: &[Vec<String>]) {
    let head: Vec<String> = head.iter().map(|&name| name.to_owned()).collect();
    let width = |at: usize| rows.iter().chain([&head]).map(|row| row[at].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    for row in [&head].into_iter().chain(rows) {
        let cells = row.iter().zip(&widths).enumerate().map(|(at, (cell, &width))| {
            if at == 0 || at == head.len() - 1 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        println!("{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}
