//! Media types and the names of files.
use std::path::Path;

/// What the name of a file promises of its content.
const TYPES: &[(&str, &str)] = &[
    ("gif", "image/gif"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("json", "application/json"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("txt", "text/plain"),
    ("vcf", "text/vcard"),
    ("xml", "application/xml"),
    ("zip", "application/zip"),
];

/// The media type that a file's name promises.
pub(super) fn type_of(path: &Path) -> &'static str {
    let extension = path.extension().and_then(|extension| extension.to_str());
    let lower = extension.unwrap_or_default().to_ascii_lowercase();
    let found = TYPES.iter().find(|(extension, _)| *extension == lower);
    found.map_or("application/octet-stream", |(_, content_type)| content_type)
}

/// The ending that fits a media type; `bin` if none is known.
pub(super) fn extension_of(content_type: &str) -> &'static str {
    let bare = content_type.split(';').next().unwrap_or_default().trim();
    let found = TYPES
        .iter()
        .find(|(_, known)| known.eq_ignore_ascii_case(bare));
    found.map_or("bin", |(extension, _)| extension)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_follows_the_name_and_the_name_follows_the_type() {
        assert_eq!(type_of(Path::new("a/holiday.MP4")), "video/mp4");
        assert_eq!(
            type_of(Path::new("a/unknown.xyz")),
            "application/octet-stream"
        );
        assert_eq!(type_of(Path::new("README")), "application/octet-stream");
        assert_eq!(extension_of("Image/JPEG; name=x"), "jpg");
        assert_eq!(extension_of("application/octet-stream"), "bin");
    }
}
