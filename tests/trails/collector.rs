//! A collector of traces: takes OTLP over HTTP and decodes it with the types of the OpenTelemetry
//! project.
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, KeyValue, any_value::Value},
    trace::v1::Span,
};
use prost::Message;
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

/// A running collector. It ends with the tests.
pub struct Collector {
    at: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    spans: Mutex<Vec<Seen>>,
    refuses: AtomicBool,
}

/// One span.
#[derive(Clone, Debug)]
pub struct Seen {
    pub node: String,
    pub name: String,
    pub trace: String,
    pub span: String,
    /// Empty where there is none.
    pub parent: String,
    pub start: u64,
    /// Trace and span of each link.
    pub links: Vec<(String, String)>,
    attributes: Vec<(String, String)>,
}

impl Seen {
    pub fn attribute(&self, key: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(known, _)| known == key);
        found.map(|(_, value)| value.as_str())
    }
}

impl Collector {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let at = listener.local_addr().expect("an address");
        let shared = Arc::<Shared>::default();
        let taken = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = taken.clone();
                std::thread::spawn(move || serve(stream, &shared));
            }
        });
        Self { at, shared }
    }

    /// What servers are told.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.at)
    }

    /// All spans so far.
    pub fn spans(&self) -> Vec<Seen> {
        self.shared.spans.lock().expect("no panic").clone()
    }

    /// Answers 400 from now on: what is not worth another try.
    pub fn refuse(&self) {
        self.shared.refuses.store(true, Ordering::Relaxed);
    }

    pub fn accept(&self) {
        self.shared.refuses.store(false, Ordering::Relaxed);
    }
}

/// Serves one connection.
fn serve(stream: TcpStream, shared: &Shared) {
    let mut lines = BufReader::new(stream);
    while let Some(body) = request(&mut lines) {
        let status = match shared.refuses.load(Ordering::Relaxed) {
            true => "400 Bad Request",
            false => {
                let told = ExportTraceServiceRequest::decode(body.as_slice()).expect("OTLP");
                shared.spans.lock().expect("no panic").extend(spans(told));
                "200 OK"
            }
        };
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
        if lines.get_mut().write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// The body of the next request.
fn request(lines: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    let (mut length, mut line) = (0, String::new());
    lines.read_line(&mut line).ok()?;
    assert!(
        line.is_empty() || line.starts_with("POST /v1/traces "),
        "{line}"
    );
    while !line.trim_end().is_empty() {
        line.clear();
        lines.read_line(&mut line).ok()?;
        let (name, value) = line.split_once(':').unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().expect("a number"),
            "content-type" => assert_eq!(value.trim(), "application/x-protobuf"),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    lines.read_exact(&mut body).ok()?;
    (length > 0).then_some(body)
}

fn spans(told: ExportTraceServiceRequest) -> Vec<Seen> {
    let mut seen = Vec::new();
    for batch in told.resource_spans {
        let resource = texts(batch.resource.unwrap_or_default().attributes);
        let of = |key: &str| resource.iter().find(|(known, _)| known == key);
        assert_eq!(
            of("service.name").map(|(_, name)| name.as_str()),
            Some("restante")
        );
        let (_, node) = of("service.instance.id").expect("the name of the node");
        let spans = batch.scope_spans.into_iter().flat_map(|scope| scope.spans);
        seen.extend(spans.map(|span| span_of(node, span)));
    }
    seen
}

fn span_of(node: &str, span: Span) -> Seen {
    let links = span.links.iter();
    assert!(span.end_time_unix_nano >= span.start_time_unix_nano);
    Seen {
        node: node.to_owned(),
        name: span.name,
        trace: hex::encode(span.trace_id),
        span: hex::encode(span.span_id),
        parent: hex::encode(span.parent_span_id),
        start: span.start_time_unix_nano,
        links: links
            .map(|link| (hex::encode(&link.trace_id), hex::encode(&link.span_id)))
            .collect(),
        attributes: texts(span.attributes),
    }
}

fn texts(attributes: Vec<KeyValue>) -> Vec<(String, String)> {
    let text = |value: Option<AnyValue>| match value.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    let named = attributes.into_iter();
    named.map(|one| (one.key, text(one.value))).collect()
}
