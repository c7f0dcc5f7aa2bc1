//! Lets requests pass in office hours only.
//!
//! A day's opening begins on that day at `from` and ends at `to`, on the next day when `to` is not later than
//! `from`; a holiday has no opening of its own, but the night before runs to its end. Times are wall-clock
//! times of the zone: a time that the clocks skip counts as if they had not yet been changed, one that comes
//! twice counts the first time.

use std::str::FromStr;

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, ToSpan, Zoned};
use serde::Deserialize;
use wardlock_plugin::{Answer, Description, Policy, Problem, Request, allow, deny, describe, export};

/// How far the next opening is looked for: a year of holidays and a little.
const HORIZON_DAYS: usize = 400;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    time_zone: String,
    days: Vec<String>,
    from: String,
    to: String,
    #[serde(default)]
    holidays: Vec<String>,
    #[serde(default = "every_effect")]
    applies_to: Vec<String>,
}

fn every_effect() -> Vec<String> {
    ["read", "write", "destructive"].map(String::from).into()
}

struct OfficeHours {
    hours: Hours,
    applies_to: Vec<String>,
    shown: String,
}

struct Hours {
    zone: TimeZone,
    days: Vec<Weekday>,
    from: Time,
    /// `None` is midnight at the end of the day.
    to: Option<Time>,
    holidays: Vec<Date>,
}

impl Policy for OfficeHours {
    type Settings = Settings;

    fn describe() -> Description {
        describe!()
    }

    fn schema() -> &'static str {
        include_str!("../schema.json")
    }

    fn configure(settings: Settings) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let hours = Hours::parse(&settings, &mut problems);
        for (at, effect) in settings.applies_to.iter().enumerate() {
            if !every_effect().contains(effect) {
                problems.push(Problem::at(format!("/applies_to/{at}"), "must be read, write or destructive"));
            }
        }
        let Settings { time_zone, days, from, to, .. } = settings;
        let shown = format!("{} {from} to {to} {time_zone}", days.join(", "));
        match hours {
            Some(hours) if problems.is_empty() => Ok(Self { hours, applies_to: settings.applies_to, shown }),
            _ => Err(problems),
        }
    }

    fn on_request(&self, request: &Request) -> Answer {
        if !self.applies_to.iter().any(|effect| effect == request.operation.effect.name()) {
            return allow();
        }
        let now = i64::try_from(request.now_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
        let Some(now) = now else {
            return deny("time_unusable", "the request's time is outside the calendar");
        };
        let closed = || deny("outside_office_hours", format!("this connection is open {}", self.shown));
        match self.hours.at(now) {
            State::Open => allow(),
            State::OpensAt(opening) => {
                let wait_ms = opening.timestamp().as_millisecond() - now.as_millisecond();
                // Rounded up: never a retry that is a moment too early.
                let seconds = u32::try_from((wait_ms + 999) / 1000).unwrap_or(u32::MAX);
                closed()
                    .hint(format!("it opens at {}", opening.strftime("%Y-%m-%dT%H:%M%:z")))
                    .retry_after(seconds)
            }
            State::Closed => closed().hint("it does not open within a year"),
        }
    }
}

enum State {
    Open,
    OpensAt(Zoned),
    Closed,
}

impl Hours {
    /// Whether the office is open at `now`, and if not, when it opens. A time that no clock can show is closed.
    fn at(&self, now: Timestamp) -> State {
        // The opening of the day before may run past midnight.
        let Ok(yesterday) = now.to_zoned(self.zone.clone()).date().yesterday() else { return State::Closed };
        let openings = yesterday.series(1.day()).take(HORIZON_DAYS).filter_map(|date| self.opening(date));
        for (start, end) in openings {
            if now < start.timestamp() {
                return State::OpensAt(start);
            }
            if now < end.timestamp() {
                return State::Open;
            }
        }
        State::Closed
    }

    fn opening(&self, date: Date) -> Option<(Zoned, Zoned)> {
        if !self.days.contains(&date.weekday()) || self.holidays.contains(&date) {
            return None;
        }
        let end_date = if self.to.is_some_and(|to| to > self.from) { date } else { date.tomorrow().ok()? };
        let start = date.to_datetime(self.from).to_zoned(self.zone.clone()).ok()?;
        let end = end_date.to_datetime(self.to.unwrap_or(Time::midnight())).to_zoned(self.zone.clone()).ok()?;
        Some((start, end))
    }

    fn parse(settings: &Settings, problems: &mut Vec<Problem>) -> Option<Self> {
        let mut refuse = |path: String, message: &str| problems.push(Problem::at(path, message));
        let zone = TimeZoneDatabase::bundled().get(&settings.time_zone).ok();
        if zone.is_none() {
            refuse("/time_zone".into(), "is not a time zone of the IANA database, such as `Europe/Berlin`");
        }
        let mut days = Vec::new();
        for (at, day) in settings.days.iter().enumerate() {
            match weekday(day) {
                Some(day) => days.push(day),
                None => refuse(format!("/days/{at}"), "must be mon, tue, wed, thu, fri, sat or sun"),
            }
        }
        let from = time(&settings.from);
        if from.is_none() {
            refuse("/from".into(), "must be a time such as `09:00`");
        }
        let to = if settings.to == "24:00" { Some(None) } else { time(&settings.to).map(Some) };
        match to {
            None => refuse("/to".into(), "must be a time such as `17:30`, or `24:00`"),
            Some(to) if from.is_some() && to == from => {
                refuse("/to".into(), "must not be `from`; the whole day is `00:00` to `24:00`");
            }
            Some(_) => {}
        }
        let mut holidays = Vec::new();
        for (at, holiday) in settings.holidays.iter().enumerate() {
            match Date::from_str(holiday) {
                Ok(date) if date.to_string() == *holiday => holidays.push(date),
                _ => refuse(format!("/holidays/{at}"), "must be a date such as `2026-12-25`"),
            }
        }
        Some(Self { zone: zone?, days, from: from?, to: to?, holidays })
    }
}

fn weekday(name: &str) -> Option<Weekday> {
    const NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let offset = NAMES.iter().position(|known| *known == name)?;
    Weekday::from_monday_zero_offset(i8::try_from(offset).ok()?).ok()
}

/// `HH:MM`, and nothing else.
fn time(text: &str) -> Option<Time> {
    Time::strptime("%H:%M", text).ok().filter(|_| text.len() == 5)
}

export!(OfficeHours);

#[cfg(test)]
mod tests {
    #[test]
    fn cases_hold() {
        wardlock_plugin::cases::check::<super::OfficeHours>(env!("CARGO_MANIFEST_DIR"));
    }
}
