package delivery

// What ends one connection after another is searched for like this. When two in
// a row have ended with the same batch at the head of the journal, written and
// not confirmed, that batch is split: from then on each of its events is under
// way alone, and the next one follows its confirmation. So the one is known
// during which the peer ends the connection; after some such ends of the same
// event it is set aside.
//
// An end counts only if the peer has made it while that event alone was under
// way, on a connection on which the peer has just answered: to a PING without
// events, or to the event before. A Bro may not be asked (see KernelReceipts); it
// has answered the handshake. A peer that is killed at some moment or other is so
// within the one round trip of the same event three times or more in a row only
// if it lives no longer than that.

// End is how a connection ended, as far as that tells of what was under way.
type End int

const (
	// Lost: by us, by the network, by a time-out or a reset, or nobody knows. A
	// process that is killed with something unread resets, too. It proves nothing.
	Lost End = iota
	// Ended: by the peer, with the end of the stream or a word that is not about
	// what it has read. A process that dies does that in order as well.
	Ended
	// Refused: by the peer, with the word that it will not have what it has read.
	Refused
)

// Form is what a connection knows of the messages that it has put into a Journal.
type Form struct {
	// Split cuts the messages of a batch into those of single events; nil: it cannot.
	Split func(messages []byte) [][]byte
	// SetAside takes an event that the peer refuses, before it is forgotten. With
	// an error it stays, and is tried again.
	SetAside func(message []byte, why error) error
}

// Proofs are how much the ends weigh: of those that say that it is the event
// three are enough, of others five.
const (
	proof     = 15
	byRefusal = 5
	byEnd     = 3
	// fruitless is after how many ends without a confirmation the search begins.
	fruitless = 2
)

// search is for the event that ends connections.
type search struct {
	head  uint32 // the first batch at the last end
	ends  int    // how many with that one
	alone uint32 // the single batch that is alone under way on this connection; 0: none
	given bool   // up on this connection: the peer does not answer
	event uint32 // the one that ends are counted of
	found int    // their weight
}

// fence puts a batch without events in front of single ones: its confirmation
// says that the peer answers.
func (j *Journal) fence() {
	if len(j.batches) > 0 && j.batches[0].single && j.batches[0].events > 0 {
		j.batches = append([]batch{{seq: j.next(), single: true}}, j.batches...)
	}
}

// unfence takes it away again.
func (j *Journal) unfence() {
	if len(j.batches) > 0 && j.batches[0].events == 0 {
		j.drop(1)
	}
}

// Unanswered says that the peer of this connection is not asked: there is no
// use in waiting for an answer before the events.
func (j *Journal) Unanswered() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.unfence()
}

// Over says how a connection has ended that had its handshake, once the peer
// cannot confirm anything on it any more. It reports whether an event was set aside.
func (j *Journal) Over(end End, why error, form Form) (bool, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	tried := j.index(j.last) >= 0 // the head with it
	j.unfence()
	if len(j.batches) == 0 || !tried {
		return false, nil
	}
	head := j.batches[0]
	if head.single && head.seq == j.search.alone {
		return j.suspect(head, end, why, form)
	}
	if head.seq != j.search.head {
		j.search.head, j.search.ends = head.seq, 0
	}
	if j.search.ends++; j.search.ends >= fruitless && !head.single {
		j.split(form)
	}
	return false, nil
}

// suspect counts an end that came while an event was alone under way.
func (j *Journal) suspect(b batch, end End, why error, form Form) (bool, error) {
	s := &j.search
	if b.seq != s.event {
		s.event, s.found = b.seq, 0
	}
	switch end {
	case Refused:
		s.found += byRefusal
	case Ended:
		s.found += byEnd
	}
	if s.found < proof || form.SetAside == nil {
		return false, nil
	}
	j.mu.Unlock() // that may take a while
	err := form.SetAside(b.messages, why)
	j.mu.Lock()
	if err != nil {
		return false, err
	}
	if j.index(b.seq) == 0 { // or its kernel's word has come meanwhile
		j.drop(1)
		j.wake()
	}
	return true, nil
}

// split makes each event of the first batch one of its own.
func (j *Journal) split(form Form) {
	if form.Split == nil {
		return
	}
	whole := j.batches[0]
	events := form.Split(whole.messages)
	if len(events) != whole.events {
		return // it is not what it seems
	}
	singles := make([]batch, len(events))
	size := 0
	for i, m := range events {
		singles[i] = batch{seq: j.next(), messages: m, events: 1, single: true}
		size += len(m)
	}
	singles[len(singles)-1].mark = whole.mark
	j.bytes.Add(int64(size - len(whole.messages)))
	j.batches = append(singles, j.batches[1:]...)
}
