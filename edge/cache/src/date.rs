//! HTTP dates (RFC 9110, section 5.6.7): three forms in, one out. Names are compared without regard
//! to case, as a cache should (RFC 9111, section 4.2), and no zone but GMT is one; all else is as the
//! grammar says.

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];
/// From the day of the Unix epoch on.
const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const LONG_DAYS: [&str; 7] = [
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
];

/// Seconds since the Unix epoch; none when the text is not a date. `now` places two-digit years:
/// one that would be more than fifty years ahead is of the century before.
#[must_use]
pub fn parse(text: &str, now: i64) -> Option<i64> {
    let text = text.trim();
    if let Some((day_name, rest)) = text.split_once(", ") {
        let mut parts = rest.split(' ');
        let first = parts.next()?;
        if first.contains('-') {
            if !LONG_DAYS
                .iter()
                .any(|name| name.eq_ignore_ascii_case(day_name))
            {
                return None;
            }
            // Sunday, 06-Nov-94 08:49:37 GMT
            let mut date = first.split('-');
            let (day, month, year) = (date.next()?, date.next()?, date.next()?);
            let year = century(number(year, 2, 2)?, now);
            let time = parts.next()?;
            return (date.next().is_none() && gmt(&mut parts))
                .then(|| civil(year, month, day, time))?;
        }
        // Sun, 06 Nov 1994 08:49:37 GMT
        if !is_day(day_name) {
            return None;
        }
        let (month, year, time) = (parts.next()?, parts.next()?, parts.next()?);
        let year = number(year, 4, 4)?;
        return gmt(&mut parts).then(|| civil(year, month, first, time))?;
    }
    // Sun Nov  6 08:49:37 1994
    let (day_name, rest) = text.split_once(' ')?;
    let (month, rest) = rest.split_once(' ')?;
    // A day of one digit has a space in front.
    let (day, rest) = (rest.get(..2)?, rest.get(2..)?.strip_prefix(' ')?);
    let (time, year) = rest.split_once(' ')?;
    let padded;
    let day = match day.strip_prefix(' ') {
        Some(digit) => {
            padded = format!("0{digit}");
            padded.as_str()
        }
        None => day,
    };
    let year = number(year, 4, 4)?;
    is_day(day_name).then(|| civil(year, month, day, time))?
}

fn is_day(text: &str) -> bool {
    DAYS.iter().any(|name| name.eq_ignore_ascii_case(text))
}

fn gmt<'a>(rest: &mut impl Iterator<Item = &'a str>) -> bool {
    rest.next()
        .is_some_and(|zone| zone.eq_ignore_ascii_case("gmt"))
        && rest.next().is_none()
}

fn number(text: &str, least: usize, most: usize) -> Option<i64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    if digits && (least..=most).contains(&text.len()) {
        text.parse().ok()
    } else {
        None
    }
}

fn century(year: i64, now: i64) -> i64 {
    let this = date_of(now.div_euclid(86_400)).0;
    let year = this - this % 100 + year;
    if year > this + 50 { year - 100 } else { year }
}

fn civil(year: i64, month: &str, day: &str, time: &str) -> Option<i64> {
    let month = MONTHS
        .iter()
        .position(|name| name.eq_ignore_ascii_case(month))? as i64
        + 1;
    let day = number(day, 2, 2)?;
    let mut parts = time.split(':');
    let (hour, minute, second) = (
        number(parts.next()?, 2, 2)?,
        number(parts.next()?, 2, 2)?,
        number(parts.next()?, 2, 2)?,
    );
    let legal = (1..=31).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    if !legal || parts.next().is_some() {
        return None;
    }
    let days = days_of(year, month, day);
    // The 31st of a month without one is another month's day.
    (date_of(days) == (year, month, day))
        .then_some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

/// Days since the Unix epoch (Hinnant, "chrono-compatible low-level date algorithms").
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days - era * 146_097;
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`.
#[must_use]
pub fn format(seconds: i64) -> String {
    let days = seconds.div_euclid(86_400);
    let of_day = seconds.rem_euclid(86_400);
    let (year, month, day) = date_of(days);
    let (weekday, month) = (
        DAYS[days.rem_euclid(7) as usize],
        MONTHS[month as usize - 1],
    );
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: i64 = 1_795_000_000;

    #[test]
    fn three_forms_are_one_date() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Sun Nov 06 08:49:37 1994",
            "sun, 06 nov 1994 08:49:37 gmt",
        ] {
            assert_eq!(parse(text, NOW), Some(784_111_777), "{text}");
        }
        assert_eq!(format(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "0",
            "-1",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 PST",
            "Sun, 31 Feb 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 25:49:37 GMT",
            "Sun, 06 Nov 94 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49 GMT",
            "1994-11-06T08:49:37Z",
            "Sun, 06 Nov 1994 08:49:37 GMT x",
            "Sun Nov 6 08:49:37 1994 GMT",
            "Sun Nov 6 08:49:37 1994",
            "Xyz, 06 Nov 1994 08:49:37 GMT",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 8:49:37 GMT",
            "Sun, 06-Nov-94 08:49:37 GMT",
            "Sun, 06  Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:61 GMT",
            "Sun, 00 Nov 1994 08:49:37 GMT",
            "Sun Nov",
        ] {
            assert_eq!(parse(text, NOW), None, "{text}");
        }
    }

    #[test]
    fn a_year_of_two_digits_is_at_most_fifty_years_ahead() {
        let year = |two: &str| {
            let at = parse(&format!("Sunday, 06-Nov-{two} 08:49:37 GMT"), NOW).unwrap();
            format(at)[12..16].to_owned()
        };
        // Now is 2026.
        assert_eq!(
            [year("26"), year("76"), year("77"), year("99")],
            ["2026", "2076", "1977", "1999"]
        );
    }

    #[test]
    fn leap_days_are_days() {
        assert_eq!(
            parse("Thu, 29 Feb 2024 00:00:00 GMT", NOW),
            Some(1_709_164_800)
        );
        assert_eq!(parse("Wed, 29 Feb 2023 00:00:00 GMT", NOW), None);
    }

    proptest! {
        #[test]
        fn a_date_comes_back(seconds in 0..4_102_444_800_i64) {
            prop_assert_eq!(parse(&format(seconds), NOW), Some(seconds));
        }

        #[test]
        fn no_text_is_too_odd(text in "\\PC{0,60}") {
            let _ = parse(&text, NOW);
        }
    }
}
