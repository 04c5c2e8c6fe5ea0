use super::*;
use proptest::prelude::*;

fn named(port: Option<u16>, transport: Option<Transport>) -> Named {
    Named {
        host: "example.com".into(),
        port,
        transport,
    }
}

fn service(transport: Transport, name: &str) -> Service {
    Service {
        transport,
        name: name.to_owned(),
    }
}

fn naptr(order: u16, preference: u16, flags: &str, service: &str, replacement: &str) -> Naptr {
    Naptr {
        order,
        preference,
        flags: flags.to_owned(),
        service: service.to_owned(),
        replacement: replacement.to_owned(),
    }
}

fn srv(priority: u16, weight: u16, target: &str) -> Srv {
    Srv {
        priority,
        weight,
        port: 5060,
        target: target.to_owned(),
    }
}

fn names(servers: Vec<(String, u16)>) -> Vec<String> {
    servers.into_iter().map(|(name, _)| name).collect()
}

#[test]
fn port_and_transport_that_are_given_leave_less_to_ask() {
    let addresses = |port, transport| Question::Addresses { port, transport };
    let tcp = Some(Transport::Tcp);
    assert_eq!(named(None, None).question(), Question::Services);
    let servers = service(Transport::Tcp, "_sip._tcp.example.com");
    assert_eq!(named(None, tcp).question(), Question::Servers(servers));
    let udp = addresses(5070, Transport::Udp);
    assert_eq!(named(Some(5070), None).question(), udp);
    let both = addresses(5070, Transport::Tcp);
    assert_eq!(named(Some(5070), tcp).question(), both);
}

#[test]
fn host_itself_is_asked_for_by_udp_at_the_usual_port() {
    assert_eq!(named(None, None).itself(), (5060, Transport::Udp));
    let tcp = named(None, Some(Transport::Tcp));
    assert_eq!(tcp.itself(), (5060, Transport::Tcp));
}

// RFC 3263 §4.1
#[test]
fn example_of_the_standard_chooses_tcp_before_udp() {
    let records = vec![
        naptr(90, 50, "s", "SIP+D2T", "_sip._tcp.example.com"),
        naptr(100, 50, "s", "SIP+D2U", "_sip._udp.example.com"),
        naptr(50, 50, "s", "SIPS+D2T", "_sips._tcp.example.com"),
    ];
    let expected = [
        service(Transport::Tcp, "_sip._tcp.example.com"),
        service(Transport::Udp, "_sip._udp.example.com"),
    ];
    assert_eq!(services(records), expected);
}

#[test]
fn services_of_other_protocols_and_other_flags_are_passed_over() {
    let records = vec![
        naptr(10, 2, "S", "sip+d2u", "second"),
        naptr(10, 1, "s", "SIP+D2T", "first"),
        naptr(1, 1, "u", "SIP+D2U", "regular expression"),
        naptr(1, 1, "s", "E2U+sip", "telephone"),
    ];
    let expected = [
        service(Transport::Tcp, "first"),
        service(Transport::Udp, "second"),
    ];
    assert_eq!(services(records), expected);
}

#[test]
fn servers_go_by_priority_and_by_chance_among_equals() {
    let records = || vec![srv(20, 0, "c"), srv(10, 60, "a"), srv(10, 40, "b")];
    // up to 60 of 100 fall on the heavier one
    let draw = |marks: [u32; 2]| {
        let mut marks = marks.into_iter();
        names(servers(records(), |_| marks.next().unwrap_or_default()))
    };
    assert_eq!(draw([60, 0]), ["a", "b", "c"]);
    assert_eq!(draw([61, 0]), ["b", "a", "c"]);
}

#[test]
fn server_without_weight_is_chosen_only_by_the_lowest_mark() {
    let records = || vec![srv(1, 10, "heavy"), srv(1, 0, "light")];
    assert_eq!(names(servers(records(), |_| 0)), ["light", "heavy"]);
    assert_eq!(names(servers(records(), |_| 1)), ["heavy", "light"]);
}

#[test]
fn dot_says_that_there_is_no_such_service() {
    assert!(servers(vec![srv(0, 0, ".")], |most| most).is_empty());
}

#[test]
fn server_that_failed_is_tried_last_until_its_rest_is_over() {
    let start = Instant::now();
    let one = Peer::udp(([192, 0, 2, 1], 5060).into());
    let (two, same) = (
        Peer::udp(([192, 0, 2, 2], 5060).into()),
        Peer::tcp(one.addr),
    );
    let mut resting = Resting::default();
    resting.rest(one, Duration::from_secs(30), start);
    let ordered = |after| {
        let mut servers = [one, two, same];
        resting.order(&mut servers, start + Duration::from_secs(after));
        servers
    };
    assert_eq!(ordered(29), [two, same, one]);
    assert_eq!(ordered(30), [one, two, same]);
}

#[test]
fn long_request_prefers_streams() {
    let udp = Peer::udp(([192, 0, 2, 1], 5060).into());
    let tcp = Peer::tcp(udp.addr);
    let mut servers = [udp, tcp];
    prefer_streams(&mut servers);
    assert_eq!(servers, [tcp, udp]);
}

proptest! {
    /// Whatever the weights and marks: every server once, priorities never out of order.
    #[test]
    fn any_records_give_every_server_once_in_order_of_priority(
        records in prop::collection::vec((0u16..4, any::<u16>()), 0..20),
        marks in prop::collection::vec(any::<u32>(), 20),
    ) {
        let given: Vec<Srv> = records
            .iter()
            .enumerate()
            .map(|(at, (priority, weight))| srv(*priority, *weight, &at.to_string()))
            .collect();
        let mut marks = marks.into_iter();
        let ordered = servers(given.clone(), |most| marks.next().unwrap_or_default() % (most + 1));
        let priorities: Vec<u16> = ordered
            .iter()
            .map(|(name, _)| given[name.parse::<usize>().unwrap()].priority)
            .collect();
        prop_assert!(priorities.is_sorted());
        let mut seen: Vec<&String> = ordered.iter().map(|(name, _)| name).collect();
        seen.sort();
        seen.dedup();
        prop_assert_eq!(seen.len(), given.len());
    }
}
