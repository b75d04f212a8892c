package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"

	"golang.org/x/term"
)

// passphrases are those of keys, by file: several things may want the same.
type passphrases struct {
	mu   sync.Mutex
	said map[string][]byte
}

// ask asks on the terminal, as far as there is one, once for each file.
func (p *passphrases) ask(path string) ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if pass, ok := p.said[path]; ok {
		return slices.Clone(pass), nil
	}
	pass, err := askTerminal(path)
	if err != nil {
		return nil, err
	}
	if p.said == nil {
		p.said = map[string][]byte{}
	}
	p.said[path] = slices.Clone(pass)
	return pass, nil
}

func askTerminal(path string) ([]byte, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, errors.New("the key is encrypted, and there is no terminal to ask for the passphrase")
	}
	defer tty.Close()
	fmt.Fprintf(tty, "Passphrase of %s: ", path)
	pass, err := term.ReadPassword(int(tty.Fd()))
	fmt.Fprintln(tty)
	if err != nil {
		return nil, fmt.Errorf("reading the passphrase: %w", err)
	}
	return pass, nil
}
