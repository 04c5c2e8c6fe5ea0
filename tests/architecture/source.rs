//! Rust sources as the architecture test reads them: code without comments, literals and tests.
use std::{collections::BTreeSet, fs, path::Path};

/// One source file: its path from the repository's root and its code.
pub struct Source {
    path: String,
    code: String,
}

/// Every source file under `folder`, but for modules which exist in tests only.
pub fn read_all(folder: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    collect(&root.join(folder), &mut paths);
    let texts: Vec<(String, String)> = paths
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).expect("source is UTF-8");
            let inside = Path::new(&path).strip_prefix(root).expect("under the root");
            (inside.display().to_string(), text)
        })
        .collect();
    let of_tests: BTreeSet<String> = texts
        .iter()
        .flat_map(|(path, text)| test_modules(path, text))
        .collect();
    texts
        .iter()
        .filter(|(path, _)| !of_tests.iter().any(|module| path.starts_with(module)))
        .map(|(path, text)| Source::from_text(path, text))
        .collect()
}

impl Source {
    pub fn from_text(path: &str, text: &str) -> Self {
        let code = without_tests(&without_comments_and_literals(text));
        let path = path.to_owned();
        Self { path, code }
    }

    pub fn path(&self) -> &str {
        &self.path
    }

    /// The first folder or file under `src`.
    pub fn room(&self) -> &str {
        let (_, inside) = self.path.split_once("src/").expect("sources are under src");
        let first = inside.split('/').next().unwrap_or(inside);
        first.trim_end_matches(".rs")
    }

    /// Whether the file is called `actor.rs` or stands under `actor/`.
    pub fn is_actor(&self) -> bool {
        self.path.ends_with("/actor.rs") || self.path.contains("/actor/")
    }

    /// Whether `word` occurs, beginning where a name begins.
    pub fn mentions(&self, word: &str) -> bool {
        self.code
            .match_indices(word)
            .any(|(at, _)| !self.code[..at].ends_with(is_name))
    }

    /// Names right under the root called `root` (`crate`, or the name of the library).
    pub fn imports(&self, root: &str) -> BTreeSet<String> {
        let marker = format!("{root}::");
        let rooted = self
            .code
            .match_indices(&marker)
            .filter(|(at, _)| !self.code[..*at].ends_with(is_name))
            .map(|(at, _)| &self.code[at + marker.len()..]);
        rooted
            .chain(self.climbing())
            .flat_map(first_names)
            .collect()
    }

    /// What follows each chain of `super::` that climbs up to the crate's root.
    fn climbing(&self) -> Vec<&str> {
        let (_, inside) = self.path.split_once("src/").unwrap_or_default();
        let is_root_of_folder = inside.ends_with("/mod.rs");
        let depth = inside.split('/').count() - usize::from(is_root_of_folder);
        let mut found = Vec::new();
        let mut from = 0;
        while let Some(at) = self.code[from..].find(SUPER).map(|at| from + at) {
            let rest = self.code[at..].trim_start_matches(SUPER);
            let end = self.code.len() - rest.len();
            if (end - at) / SUPER.len() >= depth + inline_modules(&self.code[..at]) {
                found.push(rest);
            }
            from = end;
        }
        found
    }
}

const SUPER: &str = "super::";

/// How many `mod name {` are open at the end of `code`.
fn inline_modules(code: &str) -> usize {
    let mut open = Vec::new();
    for (at, octet) in code.bytes().enumerate() {
        match octet {
            b'{' => {
                let before = code[..at].trim_end().trim_end_matches(is_name).trim_end();
                open.push(before.ends_with("mod"));
            }
            b'}' => drop(open.pop()),
            _ => {}
        }
    }
    open.into_iter().filter(|is_module| *is_module).count()
}

fn collect(folder: &Path, paths: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("sources are readable") {
        let path = entry.expect("sources are readable").path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path.display().to_string());
        }
    }
}

/// Path beginnings of the files which `#[cfg(test)] mod NAME;` in `text` brings in.
fn test_modules(path: &str, text: &str) -> Vec<String> {
    let code = without_comments_and_literals(text);
    let folder = path
        .trim_end_matches("/mod.rs")
        .trim_end_matches("/lib.rs")
        .trim_end_matches(".rs");
    code.match_indices("#[cfg(test)]")
        .filter_map(|(at, mark)| {
            let item = code[at + mark.len()..].trim_start();
            let item = item.strip_prefix("pub(crate) ").unwrap_or(item);
            let (name, _) = item.strip_prefix("mod ")?.split_once(';')?;
            name.chars().all(is_name).then(|| name.to_owned())
        })
        .flat_map(|name| [format!("{folder}/{name}.rs"), format!("{folder}/{name}/")])
        .collect()
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// `a::b` gives `a`; `{a, b::{c, d}}` gives `a`, `b`.
fn first_names(path: &str) -> Vec<String> {
    let name = |part: &str| part.trim().chars().take_while(|c| is_name(*c)).collect();
    let Some(group) = path.strip_prefix('{') else {
        return vec![name(path)];
    };
    let (mut depth, mut parts) = (1, vec![String::new()]);
    for c in group.chars() {
        depth += i32::from(c == '{') - i32::from(c == '}');
        match c {
            _ if depth == 0 => break,
            ',' if depth == 1 => parts.push(String::new()),
            _ => parts.last_mut().expect("never empty").push(c),
        }
    }
    let names = parts.iter().map(|part| name(part));
    names.filter(|name: &String| !name.is_empty()).collect()
}

/// `text` with comments and the insides of string and character literals left out.
fn without_comments_and_literals(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let skipped = match c {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => block_comment(rest),
            '"' => quoted(rest),
            'r' if !code.ends_with(is_name) || code.ends_with('b') => raw_string(rest),
            '\'' => character(rest),
            _ => 0,
        };
        if skipped > 0 {
            code.push(' ');
            rest = &rest[skipped..];
        } else {
            code.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    code
}

/// Length of the block comment at the front; they nest.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    loop {
        let rest = &text.as_bytes()[at..];
        match rest {
            [] => return at,
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] if depth == 1 => return at + 2,
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
}

/// Length of the string literal at the front, with its quotes.
fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (at, octet) in text.bytes().enumerate().skip(1) {
        match octet {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Length of the raw string at the front, 0 if what stands there is no raw string.
fn raw_string(text: &str) -> usize {
    let hashes = text[1..].bytes().take_while(|octet| *octet == b'#').count();
    let Some(inside) = text[1 + hashes..].strip_prefix('"') else {
        return 0;
    };
    let end = format!("\"{}", "#".repeat(hashes));
    let length = inside.find(&end).unwrap_or(inside.len());
    (1 + hashes + 1 + length + end.len()).min(text.len())
}

/// Length of the character literal at the front, 0 for a lifetime.
fn character(text: &str) -> usize {
    let inside = &text[1..];
    if inside.starts_with('\\') {
        return inside[2..].find('\'').map_or(0, |at| at + 4);
    }
    let mut chars = inside.chars();
    match (chars.next(), chars.next()) {
        (Some(c), Some('\'')) => c.len_utf8() + 2,
        _ => 0,
    }
}

/// `code` without the items marked as existing in tests only.
fn without_tests(code: &str) -> String {
    let mut kept = String::with_capacity(code.len());
    let mut rest = code;
    let marks = ["#[cfg(test)]", "#[cfg(all(test"];
    while let Some(at) = marks.iter().filter_map(|mark| rest.find(mark)).min() {
        kept.push_str(&rest[..at]);
        rest = &rest[at + item_length(&rest[at..])..];
    }
    kept.push_str(rest);
    kept
}

/// Length of the item at the front: up to its `;`, or to the brace that closes it.
fn item_length(code: &str) -> usize {
    let mut depth = 0_usize;
    for (at, octet) in code.bytes().enumerate() {
        match octet {
            b'{' | b'[' | b'(' => depth += 1,
            b'}' if depth <= 1 => return at + 1,
            b'}' | b']' | b')' => depth = depth.saturating_sub(1),
            b';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    code.len()
}
