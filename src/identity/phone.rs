//! Telephone numbers (RFC 3966).
use super::AddressError;

/// The canonical text of a tel URI after its scheme: separators gone, only those parameters kept
/// that make it another number (`ext`, `isub`, and `phone-context` of a local number).
///
/// Source: RFC 3966 §3, §4.
pub(super) fn canonical(text: &str) -> Result<String, AddressError> {
    let mut parts = text.split(';');
    let mut out = number(parts.next().unwrap_or_default())?;
    let global = out.starts_with('+');
    let mut kept: Vec<String> = parts
        .map(str::to_ascii_lowercase)
        .filter(|parameter| match parameter.split_once('=') {
            Some(("ext" | "isub", value)) => !value.is_empty(),
            Some(("phone-context", value)) => !global && !value.is_empty(),
            _ => false,
        })
        .collect();
    kept.sort();
    for parameter in kept {
        out.push(';');
        out.push_str(&parameter);
    }
    Ok(out)
}

fn number(text: &str) -> Result<String, AddressError> {
    let (mut out, digits) = match text.strip_prefix('+') {
        Some(digits) => (String::from("+"), digits),
        None => (String::new(), text),
    };
    let global = !out.is_empty();
    for character in digits.chars() {
        match character {
            '-' | '.' | '(' | ')' => {}
            '0'..='9' => out.push(character),
            'a'..='f' | 'A'..='F' | '*' | '#' if !global => {
                out.push(character.to_ascii_uppercase())
            }
            _ => return Err(AddressError::BadNumber),
        }
    }
    match out.is_empty() || out == "+" {
        true => Err(AddressError::BadNumber),
        false => Ok(out),
    }
}
