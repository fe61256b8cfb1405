//! Figures as people read them: one style for all that is printed.

use std::fmt;
use std::time::Duration;

/// A number with its thousands set apart: `361,559,209`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count(pub u64);

/// A number of bytes, `344.8 MiB (361,559,209 bytes)`: a size to grasp, and the exact number where that is another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes(pub u64);

/// The same without the exact number: `344.8 MiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u64);

/// A time that has passed, to three digits or so: `1.24 s`, `2 h 05 min`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed(pub Duration);

/// A time in nanoseconds since 1970, to the second: `2026-11-25 20:10:03 UTC`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time(pub u64);

/// A number of things, `1 frame` or `2 frames`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Things(pub u64, pub &'static str);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        let mut text = String::new();
        for (i, digit) in digits.chars().enumerate() {
            if i > 0 && (digits.len() - i).is_multiple_of(3) {
                text.push(',');
            }
            text.push(digit);
        }
        f.pad(&text)
    }
}

impl fmt::Display for Things {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let &Self(count, thing) = self;
        let plural = match thing {
            _ if count == 1 => "",
            _ if thing.ends_with('s') => "es",
            _ => "s",
        };
        write!(f, "{} {thing}{plural}", Count(count))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        if self.0 < 1 << 10 {
            return f.pad(&Things(self.0, "byte").to_string());
        }
        let mut tenths = u128::from(self.0) * 10;
        let mut unit = 0;
        // Rounded first, so that nothing is 1024.0 of a unit.
        while (tenths + 512) >> 10 >= 10_240 {
            tenths >>= 10;
            unit += 1;
        }
        let tenths = (tenths + 512) >> 10;
        f.pad(&format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit]))
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ..1024 => write!(f, "{}", Size(self.0)),
            bytes => write!(f, "{} ({})", Size(bytes), Things(bytes, "byte")),
        }
    }
}

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, nanos) = (self.0.as_secs(), self.0.subsec_nanos());
        let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
        match seconds {
            0 if nanos < 1_000 => write!(f, "{nanos} ns"),
            0 if nanos < 1_000_000 => write!(f, "{} µs", three_digits(f64::from(nanos) / 1e3)),
            0 => write!(f, "{} ms", three_digits(f64::from(nanos) / 1e6)),
            1..60 => write!(f, "{} s", three_digits(self.0.as_secs_f64())),
            60..3_600 => write!(f, "{minutes} min {:02} s", seconds % 60),
            3_600..86_400 => write!(f, "{hours} h {:02} min", minutes % 60),
            _ => write!(f, "{} {} h", Things(days, "day"), hours % 24),
        }
    }
}

fn three_digits(value: f64) -> String {
    let decimals = if value < 9.995 { 2 } else { usize::from(value < 99.95) };
    format!("{value:.decimals$}")
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = std::time::UNIX_EPOCH + Duration::from_nanos(self.0);
        let rfc = humantime::format_rfc3339_seconds(time).to_string();
        write!(f, "{} UTC", rfc.trim_end_matches('Z').replace('T', " "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(Count(number).to_string(), text);
        }
        assert_eq!(format!("{:>8}|{:<8}|", Count(1000), Count(1000)), "   1,000|1,000   |");
        assert_eq!([Things(1, "class"), Things(2, "class")].map(|t| t.to_string()), ["1 class", "2 classes"]);
    }

    #[test]
    fn sizes_can_be_grasped_and_are_exact() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (1, "1 byte"),
            (1023, "1,023 bytes"),
            (1024, "1.0 KiB (1,024 bytes)"),
            (1 << 20, "1.0 MiB (1,048,576 bytes)"),
            ((1 << 20) - 1, "1.0 MiB (1,048,575 bytes)"),
            (361_559_209, "344.8 MiB (361,559,209 bytes)"),
            (u64::MAX, "16.0 EiB (18,446,744,073,709,551,615 bytes)"),
        ] {
            assert_eq!(Bytes(bytes).to_string(), text);
        }
    }

    #[test]
    fn durations_have_the_digits_that_matter() {
        let (second, minute, hour) = (1_000_000_000, 60_000_000_000, 3_600_000_000_000);
        for (nanos, text) in [
            (0, "0 ns"),
            (999, "999 ns"),
            (1_500, "1.50 µs"),
            (12_345_678, "12.3 ms"),
            (123_456_789, "123 ms"),
            (second + 240_000_000, "1.24 s"),
            (59 * second, "59.0 s"),
            (minute + 5 * second, "1 min 05 s"),
            (2 * hour + 5 * minute, "2 h 05 min"),
            (49 * hour, "2 days 1 h"),
            (u64::MAX, "213503 days 23 h"),
        ] {
            assert_eq!(Elapsed(Duration::from_nanos(nanos)).to_string().replace(',', ""), text);
        }
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        assert_eq!(Time(0).to_string(), "1970-01-01 00:00:00 UTC");
        assert_eq!(Time(1_795_637_403_999_999_999).to_string(), "2026-11-25 20:10:03 UTC");
        assert_eq!(Time(951_782_400_000_000_000).to_string(), "2000-02-29 00:00:00 UTC");
        assert_eq!(Time(u64::MAX).to_string(), "2554-07-21 23:34:33 UTC");
    }
}
