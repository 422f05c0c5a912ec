//! Arguments that each make sense and together do not.

use std::time::Duration;

use super::args::{Limits, Load, Mode, Peer};
use super::failure::Failure;

/// More would wait on each other: neither side reads while both write.
const OUTSTANDING_MAX: usize = 4096;

impl Load {
    /// Connections to open.
    pub fn connection_count(&self) -> usize {
        self.connections.unwrap_or(self.connect.len())
    }

    /// Requests outstanding per connection.
    pub fn outstanding_per_connection(&self) -> usize {
        self.outstanding.unwrap_or(match self.mode {
            Mode::Closed => 1,
            Mode::Open => 1024.min(self.keys / self.connection_count().max(1)),
        })
    }

    /// Refuses what cannot be measured.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] for the first contradiction.
    pub fn check(&self) -> Result<(), Failure> {
        let (connections, outstanding) = (self.connection_count(), self.outstanding_per_connection());
        demand((1..=1024).contains(&connections), "--connections must be 1 to 1024")?;
        demand((1..=OUTSTANDING_MAX).contains(&outstanding), "--outstanding must be 1 to 4096")?;
        demand(
            self.keys / connections >= outstanding,
            "--keys must be at least connections x outstanding: a key is not \
             written again before its last put is answered",
        )?;
        match self.mode {
            Mode::Open => demand(self.rate.is_some_and(is_positive), "--mode open needs a positive --rate")?,
            Mode::Closed => demand(self.rate.is_none(), "--rate needs --mode open")?,
        }
        demand(self.requests != Some(0), "--requests must be positive")?;
        check_times(self.duration, self.warmup)
    }
}

impl Limits {
    /// Refuses what cannot be measured.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] for the first contradiction.
    pub fn check(&self) -> Result<(), Failure> {
        let sensible = self.outstanding.iter().all(|k| (1..=OUTSTANDING_MAX).contains(k));
        demand(sensible, "--outstanding must be 1 to 4096")?;
        demand(self.keys > 0, "--keys must be positive")?;
        check_times(self.duration, 0.0)
    }
}

impl Peer {
    /// Refuses what cannot be measured.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] for the first contradiction.
    pub fn check(&self) -> Result<(), Failure> {
        demand((1..=OUTSTANDING_MAX).contains(&self.outstanding), "--outstanding must be 1 to 4096")?;
        demand(self.keys > 0, "--keys must be positive")?;
        check_times(self.duration, self.warmup)
    }
}

fn check_times(duration: f64, warmup: f64) -> Result<(), Failure> {
    demand(is_positive(duration), "--duration must be positive")?;
    demand(Duration::try_from_secs_f64(warmup).is_ok_and(|warmup| warmup.as_secs() < 86_400), "--warmup is not a time")
}

fn is_positive(number: f64) -> bool {
    number > 0.0 && number < 1e9
}

fn demand(holds: bool, otherwise: &str) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(Failure::Usage { reason: otherwise.to_owned() }) }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::super::args::Arguments;

    fn is_accepted(line: &str) -> bool {
        let arguments = Arguments::try_parse_from(std::iter::once("slipring-bench").chain(line.split_whitespace()));
        arguments.is_ok_and(|arguments| arguments.load.check().is_ok())
    }

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn sensible_lines_are_accepted() {
        for line in [
            "",
            "--mode closed --outstanding 64 --connections 2 --keys 1000 --reads 100 --json",
            "--mode open --rate 5000 --requests 100 --distribution hotspot:10%:90%",
            "--route ring",
            "--connect 127.0.0.1:1,127.0.0.1:2 --route first --preload --timeout-ms 500 --seed 7",
        ] {
            assert!(is_accepted(line), "{line}");
        }
    }

    #[test]
    fn contradictions_are_refused() {
        for line in [
            "--mode open",
            "--mode open --rate 0",
            "--mode open --rate NaN",
            "--rate 10",
            "--outstanding 0",
            "--outstanding 5000 --keys 100000",
            "--outstanding 64 --keys 63",
            "--connections 0",
            "--reads 101",
            "--duration 0",
            "--duration 5 --requests 5",
            "--requests 0",
            "--warmup -1",
            "--distribution zipf",
        ] {
            assert!(!is_accepted(line), "{line}");
        }
    }
}
