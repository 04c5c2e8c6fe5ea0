//! Feature tags of `Contact` and `Accept-Contact` (RFC 3840, RFC 3841) and how to compare them.
use crate::syntax::{percent, quoted::unquote, split::outside, token::trim};

/// SIMPLE IM: session, pager and file transfer.
pub const IM: &str = "+g.oma.sip-im";
/// SIMPLE IM: large message.
pub const IM_LARGE: &str = "+g.oma.sip-im.large-message";
/// SIMPLE IM: system message.
pub const IM_SYSTEM: &str = "+g.oma.sip-im.system-message";
/// Carries a list of ICSI values.
pub const ICSI_REF: &str = "+g.3gpp.icsi-ref";
/// Carries a list of IARI values.
pub const IARI_REF: &str = "+g.3gpp.iari-ref";
/// RCS: pager and large message in one.
pub const PAGER_LARGE: &str = "+g.gsma.rcs.cpm.pager-large";
/// The contact is a server or a robot (RFC 3840 §10.13).
pub const AUTOMATA: &str = "automata";
/// The contact is a conference focus (RFC 4579).
pub const IS_FOCUS: &str = "isfocus";

/// Whether parameters of a Contact (`;a;b="c,d"`) hold a tag without value, or with `TRUE`.
///
/// Source: RFC 3840 §9 (a tag without value means TRUE).
pub fn has_flag(parameters: &str, tag: &str) -> bool {
    values(parameters, tag).any(|value| value.is_empty() || value.eq_ignore_ascii_case("TRUE"))
}

/// Whether parameters of a Contact hold a tag whose list has this value.
///
/// Compared after percent-decoding, without case, each element of a quoted list for itself.
pub fn has_value(parameters: &str, tag: &str, wanted: &str) -> bool {
    values(parameters, tag).any(|value| list_has(&value, wanted))
}

/// Whether parameters name this service, escaped or not, among others or alone.
pub fn has_service(parameters: &str, urn: &str) -> bool {
    has_value(parameters, ICSI_REF, urn) || has_value(parameters, IARI_REF, urn)
}

/// Whether a comma separated list of (escaped) URNs has one; also right for
/// `P-Preferred-Service`, which is written unescaped.
pub fn list_has(list: &str, wanted: &str) -> bool {
    let wanted = percent::decode(wanted);
    list.split(',')
        .any(|element| percent::decode(trim(element)).eq_ignore_ascii_case(&wanted))
}

/// One reference parameter with all its URNs, as `Contact` and `Accept-Contact` carry it.
///
/// ```
/// # use restante::profile::{feature, service};
/// assert_eq!(
///     feature::reference(feature::ICSI_REF, &[service::CPM_PAGER]),
///     "+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.msg\""
/// );
/// ```
pub fn reference(tag: &str, urns: &[&str]) -> String {
    let escaped: Vec<_> = urns
        .iter()
        .map(|urn| percent::encode(urn, percent::is_unreserved))
        .collect();
    format!("{tag}=\"{}\"", escaped.join(","))
}

/// The parameters that name services (ICSI, IARI), as they stand there.
pub fn references(parameters: &str) -> impl Iterator<Item = &str> {
    let is_reference = |parameter: &&str| {
        let name = parameter.split('=').next().unwrap_or_default();
        [ICSI_REF, IARI_REF]
            .iter()
            .any(|tag| trim(name).eq_ignore_ascii_case(tag))
    };
    outside(parameters, b';').map(trim).filter(is_reference)
}

fn values<'a>(parameters: &'a str, tag: &'a str) -> impl Iterator<Item = String> + 'a {
    outside(parameters, b';').filter_map(move |parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        trim(name)
            .eq_ignore_ascii_case(tag)
            .then(|| unquote(trim(value)).into_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::super::service::*;
    use super::*;
    use proptest::prelude::*;

    const CONTACT: &str = ";+g.oma.sip-im;+G.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service.ims.\
        icsi.oma.cpm.msg,urn%3aurn-7%3a3gpp-service.ims.icsi.oma.cpm.LARGEMSG\";automata=\"FALSE\"";

    #[test]
    fn services_in_one_quoted_list_are_found() {
        assert!(has_service(CONTACT, CPM_PAGER));
        assert!(has_service(CONTACT, CPM_LARGE));
        assert!(!has_service(CONTACT, CPM_DEFERRED));
    }

    #[test]
    fn unescaped_service_is_found_too() {
        let parameters = format!("{ICSI_REF}=\"{CPM_SESSION}\"");
        assert!(has_service(&parameters, CPM_SESSION));
        assert!(!has_service(&parameters, CPM_GROUP));
        assert!(list_has(CPM_GROUP, CPM_GROUP));
    }

    #[test]
    fn flag_without_value_is_true() {
        assert!(has_flag(CONTACT, IM));
        assert!(!has_flag(CONTACT, AUTOMATA));
        assert!(!has_flag(CONTACT, IM_LARGE));
        assert!(has_flag("isfocus ; x", IS_FOCUS));
    }

    #[test]
    fn written_reference_is_recognised() {
        let written = reference(ICSI_REF, &[CPM_PAGER, CPM_LARGE, CPM_DEFERRED]);
        assert!(
            [CPM_PAGER, CPM_LARGE, CPM_DEFERRED]
                .iter()
                .all(|urn| has_service(&written, urn))
        );
    }

    #[test]
    fn references_stand_there_as_they_were_written() {
        let found: Vec<_> = references(CONTACT).collect();
        assert_eq!(found.len(), 1);
        assert!(has_service(found[0], CPM_LARGE), "{found:?}");
        assert_eq!(references("*;+g.oma.sip-im;explicit").count(), 0);
    }

    proptest! {
        #[test]
        fn garbage_never_panics(text in "[;=\",%a-f+é]*") {
            has_service(&text, CPM_PAGER);
            has_flag(&text, IM);
        }
    }
}
