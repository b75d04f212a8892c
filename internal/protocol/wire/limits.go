package wire

// Limits bounds what a peer can make us hold. The zero value of a field means
// its default.
type Limits struct {
	// MaxChunk is the number of bytes in the payload of one message, all of
	// its parts together.
	MaxChunk int
	// MaxDepth is how deep values, types and expressions may nest.
	MaxDepth int
	// MaxElems is the number of values and cached objects in one event, those
	// counted that it takes from the cache, each time that it takes them.
	MaxElems int
	// MaxBytes is the number of bytes in the strings of one event, counted
	// in the same way.
	MaxBytes int
	// MaxFromCache is how much an event may take from the cache by reference, each
	// time counted: bytes of strings and names, and 16 for each value and object,
	// beyond 16 times the length of the event itself. A few bytes could else become
	// many.
	MaxFromCache int
	// MaxCache is the number of objects that the cache keeps from one event
	// to the next, MaxCacheBytes roughly the memory that they take.
	MaxCache      int
	MaxCacheBytes int
	// Budget, if set, is shared with other connections.
	Budget *Budget
}

// DefaultLimits returns bounds far above what a policy script sends.
func DefaultLimits() Limits {
	return Limits{
		MaxChunk:      16 << 20,
		MaxDepth:      160,
		MaxElems:      1 << 18,
		MaxBytes:      16 << 20,
		MaxFromCache:  1 << 20,
		MaxCache:      1 << 14,
		MaxCacheBytes: 32 << 20,
	}
}

func (l Limits) withDefaults() Limits {
	def := DefaultLimits()
	for _, f := range []struct {
		have *int
		def  int
	}{
		{&l.MaxChunk, def.MaxChunk},
		{&l.MaxDepth, def.MaxDepth},
		{&l.MaxElems, def.MaxElems},
		{&l.MaxBytes, def.MaxBytes},
		{&l.MaxFromCache, def.MaxFromCache},
		{&l.MaxCache, def.MaxCache},
		{&l.MaxCacheBytes, def.MaxCacheBytes},
	} {
		if *f.have <= 0 {
			*f.have = f.def
		}
	}
	return l
}
