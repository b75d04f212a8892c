// Command certs makes a CA and certificates for trying TLS out: "make certs".
// The key of the CA is thrown away, so that nobody comes to rely on it.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/romanesco-broccoli/romanesco/internal/test/certs"
)

func main() {
	out := flag.String("o", "build/certs", "`folder` to write to")
	flag.Parse()
	hosts := flag.Args()
	if len(hosts) == 0 {
		hosts = []string{"collector", "sensor"}
	}
	if err := run(*out, hosts); err != nil {
		fmt.Fprintln(os.Stderr, "certs:", err)
		os.Exit(1)
	}
}

func run(dir string, hosts []string) error {
	ca, err := certs.NewCA("Romanesco test CA", 365*24*time.Hour)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	files := map[string][]byte{"ca_cert.pem": ca.PEM}
	for _, host := range hosts {
		if files[host+".pem"], err = ca.Issue(host); err != nil {
			return err
		}
	}
	for name, b := range files {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			return err
		}
		fmt.Println(path)
	}
	return nil
}
