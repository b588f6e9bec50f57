//! `Accept-Encoding` (RFC 9110, section 12.5.3): which coding of those on offer a client gets.

use http::{HeaderMap, header};

use crate::Coding;

/// More members are not read: they count as refused.
const MAX_MEMBERS: usize = 32;

/// What a client takes, with weights in thousandths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    zstd: Option<u16>,
    br: Option<u16>,
    gzip: Option<u16>,
    dcz: Option<u16>,
    identity: Option<u16>,
    others: Option<u16>,
}

impl Accepted {
    /// Reads the field of a request. A request without one takes anything, which is not a wish for a
    /// coding: it gets none.
    #[must_use]
    pub fn of(request: &HeaderMap) -> Self {
        let mut accepted = Self::default();
        let lines = request.get_all(header::ACCEPT_ENCODING).iter();
        let members = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
        for member in members.take(MAX_MEMBERS) {
            let Ok(member) = std::str::from_utf8(member) else {
                continue;
            };
            let mut parts = member.split(';');
            let name = parts.next().unwrap_or_default().trim();
            let slot = match name.to_ascii_lowercase().as_str() {
                "zstd" => &mut accepted.zstd,
                "br" => &mut accepted.br,
                // Section 8.4.1.3: `x-gzip` is the same.
                "gzip" | "x-gzip" => &mut accepted.gzip,
                "dcz" => &mut accepted.dcz,
                "identity" => &mut accepted.identity,
                "*" => &mut accepted.others,
                _ => continue,
            };
            let weight = weight(parts);
            // Of two that contradict each other, the refusal counts.
            *slot = Some(slot.map_or(weight, |known| known.min(weight)));
        }
        accepted
    }

    /// The weight of a coding; 0: it is refused, or not named at all.
    fn weight(&self, coding: Coding) -> u16 {
        let named = match coding {
            Coding::Zstd => self.zstd,
            Coding::Br => self.br,
            Coding::Gzip => self.gzip,
            // Without a dictionary that both have it means nothing, so `*` does not name it.
            Coding::Dcz => return self.dcz.unwrap_or(0),
        };
        named.or(self.others).unwrap_or(0)
    }

    /// Whether the client takes this coding.
    #[must_use]
    pub fn takes(&self, coding: Coding) -> bool {
        self.weight(coding) > 0
    }

    /// Whether the client takes an answer without a coding.
    #[must_use]
    pub fn takes_identity(&self) -> bool {
        self.identity.or(self.others) != Some(0)
    }

    /// What of the offer the client likes at least as well as no coding, best first; in the order of
    /// the offer what it likes alike.
    #[must_use]
    pub fn ranked(&self, offer: &[Coding]) -> Vec<Coding> {
        let least = self.identity.unwrap_or(0).max(1);
        let mut liked: Vec<_> = offer
            .iter()
            .map(|&coding| (self.weight(coding), coding))
            .filter(|(weight, _)| *weight >= least)
            .collect();
        liked.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
        liked.into_iter().map(|(_, coding)| coding).collect()
    }

    /// The best of the offer; none when the client takes none of it, or likes no coding better.
    #[must_use]
    pub fn choose(&self, offer: &[Coding]) -> Option<Coding> {
        self.ranked(offer).first().copied()
    }
}

/// `q` in thousandths (section 12.4.2); what is not a weight refuses.
fn weight<'a>(parameters: impl Iterator<Item = &'a str>) -> u16 {
    for parameter in parameters {
        let Some((name, value)) = parameter.split_once('=') else {
            continue;
        };
        if !name.trim().eq_ignore_ascii_case("q") {
            continue;
        }
        let value = value.trim();
        let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
        let digits = fraction.len() <= 3 && fraction.bytes().all(|byte| byte.is_ascii_digit());
        let Ok(fraction) = format!("0{fraction:0<3}").parse::<u16>() else {
            return 0;
        };
        return match whole {
            "0" if digits => fraction,
            "1" if digits && fraction == 0 => 1000,
            _ => 0,
        };
    }
    1000
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OFFER: [Coding; 3] = [Coding::Zstd, Coding::Br, Coding::Gzip];

    fn accepted(text: &str) -> Accepted {
        let mut request = HeaderMap::new();
        request.insert(header::ACCEPT_ENCODING, text.parse().unwrap());
        Accepted::of(&request)
    }

    #[test]
    fn the_best_of_the_offer() {
        for (text, expected) in [
            ("gzip, deflate, br, zstd", Some(Coding::Zstd)),
            ("gzip, br", Some(Coding::Br)),
            ("GZIP;Q=1.0, br;q=0.9", Some(Coding::Gzip)),
            ("br;q=0.001", Some(Coding::Br)),
            ("x-gzip", Some(Coding::Gzip)),
            ("*", Some(Coding::Zstd)),
            ("zstd;q=0, *", Some(Coding::Br)),
            ("*;q=0", None),
            ("*;q=0, gzip", Some(Coding::Gzip)),
            ("deflate, compress", None),
            ("", None),
            ("identity", None),
            ("identity;q=0, gzip;q=0.1", Some(Coding::Gzip)),
            ("identity;q=0.9, gzip;q=0.5", None),
            ("gzip;q=2", None),
            ("gzip;q=0.0000", None),
            ("gzip;q=a", None),
            ("gzip;q=0", None),
            ("gzip, gzip;q=0", None),
            ("dcz", None),
        ] {
            assert_eq!(accepted(text).choose(&OFFER), expected, "{text}");
        }
        assert_eq!(Accepted::of(&HeaderMap::new()).choose(&OFFER), None);
        assert!(accepted("dcz").takes(Coding::Dcz) && !accepted("*").takes(Coding::Dcz));
    }

    #[test]
    fn identity_is_taken_unless_it_is_refused() {
        for (text, expected) in [
            ("", true),
            ("gzip", true),
            ("identity;q=0", false),
            ("*;q=0", false),
            ("*;q=0, identity;q=0.1", true),
            ("identity;q=0, *", false),
        ] {
            assert_eq!(accepted(text).takes_identity(), expected, "{text}");
        }
        assert!(Accepted::of(&HeaderMap::new()).takes_identity());
    }

    proptest! {
        #[test]
        fn what_is_refused_is_never_chosen(
            refused in 0_usize..3,
            others in prop::collection::vec("(zstd|br|gzip|\\*|identity|x)(;q=(0(\\.[0-9]{1,3})?|1))?", 0..6),
            at in 0_usize..6,
        ) {
            let coding = OFFER[refused];
            let mut members = others;
            members.insert(at.min(members.len()), format!("{};q=0", coding.as_str()));
            prop_assert_ne!(accepted(&members.join(", ")).choose(&OFFER), Some(coding));
        }

        #[test]
        fn no_field_is_too_odd(text in "[ -~]{0,60}") {
            let accepted = accepted(&text);
            if let Some(coding) = accepted.choose(&OFFER) {
                prop_assert!(accepted.takes(coding));
            }
        }
    }
}
