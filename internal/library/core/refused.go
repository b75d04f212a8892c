package core

import (
	"path/filepath"
	"sync/atomic"

	"github.com/romanesco-broccoli/romanesco/internal/collector/refused"
	"github.com/romanesco-broccoli/romanesco/internal/event"
)

// refusedName is the file of refused events beside the folders of spools.
const refusedName = "refused.json"

func (c *conn) openRefused() (err error) {
	path := c.set.refusedFile
	if path == "" && c.set.spool.folder != "" {
		path = filepath.Join(filepath.Dir(c.set.spool.folder), refusedName)
	}
	if path == "" || c.journal == nil {
		return nil
	}
	if c.core.Files != nil && c.set.refusedFile != "" {
		c.refused = refused.OpenBy(path, c.core.Files.Append)
		return nil
	}
	c.refused, err = refused.Open(path)
	return err
}

// setAside takes an event that the peer refuses again and again.
func (c *conn) setAside(ev *event.Event, why error) error {
	if err := onDisk(func() error { return c.refused.Add(c.set.peer, why, ev) }); err != nil {
		c.note(err)
		c.warnf("event %s is refused again and again (%v), and kept: %v", ev.Name, why, err)
		return err
	}
	atomic.AddUint64(c.link.refused(), 1)
	c.stats.setAside.Add(1)
	c.warnf("event %s is set aside: the peer has refused it again and again: %v", ev.Name, why)
	return nil
}
