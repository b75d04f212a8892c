package core

import (
	"fmt"
	"path/filepath"

	"github.com/romanesco-broccoli/romanesco/internal/library/confine"
)

// Plan is what a process of its own keeps that serves connections with these settings; nil:
// it is to keep all.
func (s *Settings) Plan() (*confine.Plan, error) {
	p := &confine.Plan{User: s.user}
	switch s.sandbox {
	case "", "yes":
	case "must":
		p.Must = true
	case "no":
		return nil, nil
	default:
		return nil, fmt.Errorf("core_sandbox %s: yes, no or must", s.sandbox)
	}
	grant := func(mode confine.Mode, paths ...string) {
		for _, path := range paths {
			if path != "" {
				p.Grants = append(p.Grants, confine.Grant{Path: path, Mode: mode})
			}
		}
	}
	if s.secure != nil {
		grant(confine.Read, s.secure.CACert, s.secure.HostCert, s.secure.HostKey, s.secure.CRL)
	}
	if s.zeek != nil {
		grant(confine.Read, s.zeek.types)
	}
	if s.statsEach > 0 {
		grant(confine.Append, s.statsFile)
	}
	grant(confine.Append, s.refusedFile)
	if s.spool.folder != "" {
		grant(confine.Folder, filepath.Dir(s.spool.folder))
	}
	return p, nil
}
