package peer

import (
	"fmt"

	"github.com/romanesco-broccoli/romanesco/internal/protocol/wire"
)

// compress begins to compress what we send.
func (c *Conn) compress() error {
	zip, err := wire.NewDeflater(c.cfg.Compression, c.cfg.Whole)
	if err != nil {
		return err
	}
	if !c.cfg.Limits.Budget.Take(wire.DeflaterSize) {
		c.cfg.Logf("not compressing: no memory is left")
		return nil
	}
	err = c.write(func(b []byte) []byte { return wire.AppendMessage(b, wire.MsgCompress, nil) })
	c.mu.Lock()
	c.zip = zip
	c.mu.Unlock()
	if err == nil {
		c.cfg.Logf("enabling compression (level %d)", c.cfg.Compression)
	}
	return err
}

// peerCompress takes what follows as compressed.
func (c *Conn) peerCompress() error {
	if !c.cfg.Decompress {
		return fmt.Errorf("%w: COMPRESS, though nobody has offered to take it", wire.ErrMalformed)
	}
	if err := c.in.Inflate(); err != nil {
		return err
	}
	c.cfg.Logf("enabling decompression")
	return nil
}

// Release gives back the memory that the connection has of Limits.Budget. It is
// for who calls Next, after the last time.
func (c *Conn) Release() {
	c.in.Release()
	c.dec.Release()
	c.cfg.Limits.Budget.Give(c.wanted)
	c.wanted = 0
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.zip != nil && !c.released {
		c.cfg.Limits.Budget.Give(wire.DeflaterSize)
	}
	c.released = true
}
