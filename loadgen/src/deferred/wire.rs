/// What a server is spoken to in.
pub trait Wire: 'static {
    /// A sender who is logged in.
    type Sender;
    /// A receiver who is logged in, or is about to be.
    type Receiver;

    /// Has the sender `number` log in, ready to send to the receiver of the same number.
    ///
    /// Errors: a sentence for the user.
    async fn sender(&self, number: usize) -> Result<Self::Sender, String>;

    /// Sends what the book lets this sender send; later messages go when answers come.
    fn pump(sender: &Self::Sender);

    /// Lets the sender go.
    async fn part(sender: Self::Sender);

    /// Prepares the receiver `number` as far as nothing of what waits comes.
    ///
    /// Errors: a sentence for the user.
    async fn receiver(&self, number: usize) -> Result<Self::Receiver, String>;

    /// Takes all that waits for the receiver; returns when the server knows that it came.
    ///
    /// Errors: a sentence for the user.
    async fn fetch(&self, receiver: Self::Receiver) -> Result<(), String>;
}
