//! HTTP dates (RFC 9110, section 5.6.7): three forms in, one out.

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];
const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

/// Seconds since the Unix epoch; none when the text is not a date. `now` places two-digit years:
/// one that would be more than fifty years ahead is of the century before.
#[must_use]
pub fn parse(text: &str, now: i64) -> Option<i64> {
    let text = text.trim();
    if let Some((_, rest)) = text.split_once(", ") {
        let mut parts = rest.split(' ');
        let first = parts.next()?;
        if first.contains('-') {
            // Sunday, 06-Nov-94 08:49:37 GMT
            let mut date = first.split('-');
            let (day, month, year) = (date.next()?, date.next()?, date.next()?);
            let year = century(number(year, 2, 2)?, now);
            let time = parts.next()?;
            return (date.next().is_none() && gmt(&mut parts))
                .then(|| civil(year, month, day, time))?;
        }
        // Sun, 06 Nov 1994 08:49:37 GMT
        let (month, year, time) = (parts.next()?, parts.next()?, parts.next()?);
        let year = number(year, 4, 4)?;
        return gmt(&mut parts).then(|| civil(year, month, first, time))?;
    }
    // Sun Nov  6 08:49:37 1994
    let mut parts = text.split(' ').filter(|part| !part.is_empty());
    let (_, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let (time, year) = (parts.next()?, number(parts.next()?, 4, 4)?);
    if parts.next().is_some() {
        return None;
    }
    civil(year, month, day, time)
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
    let day = number(day, 1, 2)?;
    let mut parts = time.split(':');
    let (hour, minute, second) = (
        number(parts.next()?, 1, 2)?,
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
        ] {
            assert_eq!(parse(text, NOW), None, "{text}");
        }
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
