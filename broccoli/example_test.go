package broccoli_test

import (
	"context"
	"fmt"
	"log"
	"net/netip"
	"time"

	"github.com/romanesco-broccoli/romanesco/broccoli"
)

// A program that asks for events and prints them, and one that sends some.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	l, err := broccoli.Listen("127.0.0.1:0", broccoli.Config{Events: []string{"login_failed"}})
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()

	go func() {
		sensor, err := broccoli.Dial(ctx, l.Addr().String(), broccoli.Config{Confirm: true})
		if err != nil {
			log.Fatal(err)
		}
		for tries := range 3 {
			if err := sensor.Send(ctx, "login_failed", netip.MustParseAddr("192.0.2.7"), "root", tries+1); err != nil {
				log.Fatal(err)
			}
		}
		if err := sensor.Close(); err != nil { // all of it has arrived, or the error says so
			log.Fatal(err)
		}
	}()

	peer, err := l.Accept(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer peer.Close()
	for ev, err := range peer.Events(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		var host netip.Addr
		var user string
		var tries int
		if err := ev.Scan(&host, &user, &tries); err != nil {
			log.Fatal(err)
		}
		fmt.Println(ev.Name, host, user, tries)
	}
	// Output:
	// login_failed 192.0.2.7 root 1
	// login_failed 192.0.2.7 root 2
	// login_failed 192.0.2.7 root 3
}

// Records are structs, whose tags have the names of their fields.
func ExampleConn_Send_record() {
	type part struct {
		_    struct{} `bro:"Site::Part"`
		Name string   `bro:"name"`
		Size *uint64  `bro:"size"` // &optional
	}
	type whole struct {
		_     struct{}                `bro:"Site::Whole"`
		Parts []part                  `bro:"parts"`
		By    map[broccoli.Port]part  `bro:"by"`
		Hosts map[netip.Addr]struct{} `bro:"hosts"`
		Took  time.Duration           `bro:"took"`
	}
	a, b, end := connected("seen")
	defer end()
	ctx := context.Background()
	size := uint64(7)
	err := a.Send(ctx, "seen", whole{
		Parts: []part{{Name: "x", Size: &size}, {Name: "y"}},
		By:    map[broccoli.Port]part{{Number: 22, Proto: broccoli.TCP}: {Name: "z"}},
		Hosts: map[netip.Addr]struct{}{netip.MustParseAddr("2001:db8::1"): {}},
		Took:  time.Second,
	})
	if err != nil {
		log.Fatal(err)
	}

	ev, err := b.Receive(ctx)
	if err != nil {
		log.Fatal(err)
	}
	var w whole
	if err := ev.Scan(&w); err != nil {
		log.Fatal(err)
	}
	fmt.Println(w.Parts[0].Name, *w.Parts[0].Size, w.Parts[1].Size == nil, w.Took)
	for port, p := range w.By {
		fmt.Println(port, p.Name)
	}
	// Without a struct, whatever has come:
	fmt.Println(ev.Args[0].(broccoli.Record).Get("hosts"))
	// Output:
	// x 7 true 1s
	// 22/tcp z
	// [2001:db8::1]
}

// With Confirm and Reconnect each event arrives at least once, although connections are
// lost; Flush waits until the peer has confirmed all of them.
func ExampleConn_Flush() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	l, err := broccoli.Listen("127.0.0.1:0", broccoli.Config{Events: []string{"count"}})
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	seen := make(chan int, 100)
	go func() {
		for connection := 1; ; connection++ {
			peer, err := l.Accept(ctx)
			if err != nil {
				return
			}
			for ev, err := range peer.Events(ctx) {
				var n int
				if err != nil || ev.Scan(&n) != nil {
					break
				}
				seen <- n
				if connection == 1 {
					break // and goes away
				}
			}
			_ = peer.Close()
		}
	}()

	c, err := broccoli.Dial(ctx, l.Addr().String(), broccoli.Config{Confirm: true, Reconnect: true})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	for n := range 5 {
		if err := c.Send(ctx, "count", n); err != nil {
			log.Fatal(err)
		}
	}
	if err := c.Flush(ctx); err != nil {
		log.Fatal(err)
	}
	all := map[int]bool{}
	for len(all) < 5 {
		all[<-seen] = true
	}
	fmt.Println("arrived:", len(all), "connected again:", c.Stats().Reconnects)
	// Output:
	// arrived: 5 connected again: 1
}

// connected returns two ends of a connection, of which the second has asked for an event.
func connected(event string) (a, b *broccoli.Conn, end func()) {
	ctx := context.Background()
	l, err := broccoli.Listen("127.0.0.1:0", broccoli.Config{Events: []string{event}})
	if err != nil {
		log.Fatal(err)
	}
	if a, err = broccoli.Dial(ctx, l.Addr().String(), broccoli.Config{}); err != nil {
		log.Fatal(err)
	}
	if b, err = l.Accept(ctx); err != nil {
		log.Fatal(err)
	}
	return a, b, func() { _, _, _ = a.Close(), b.Close(), l.Close() }
}
