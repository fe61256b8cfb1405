//! Numbers as users write them: as any command prints them.

/// Reads a number: decimal, or hexadecimal after `0x`; thousands may be set apart by `,` or `_`.
///
/// # Errors
/// What such a number looks like.
pub fn number(text: &str) -> Result<u64, String> {
    let digits: String = text.chars().filter(|c| !matches!(c, ',' | '_')).collect();
    let (digits, radix) = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hexadecimal) => (hexadecimal, 16),
        None => (digits.as_str(), 10),
    };
    let is_number = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
    match u64::from_str_radix(digits, radix) {
        Ok(number) if is_number => Ok(number),
        Err(_) if is_number => Err("more than 64 bits".to_owned()),
        _ => Err("expected a number, such as 4096 or 0x1000".to_owned()),
    }
}

/// Reads the number of something that there must be one of at least.
///
/// # Errors
/// What such a number looks like.
pub fn positive(text: &str) -> Result<u64, String> {
    match number(text)? {
        0 => Err("expected 1 or more".to_owned()),
        number => Ok(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_can_be_read() {
        for (text, value) in [
            ("0", 0),
            ("4096", 4096),
            ("4,096", 4096),
            ("4_096", 4096),
            ("0x1000", 4096),
            ("0Xff_FF", 0xffff),
            ("0xffffffffffffffff", u64::MAX),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(number(text), Ok(value), "{text}");
        }
        for text in ["", "0x", "x", "-1", "+1", "1.5", "c000", "0x+1", " 1", "18446744073709551616"] {
            assert!(number(text).is_err(), "{text}");
        }
    }
}
