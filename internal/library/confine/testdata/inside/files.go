package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"
)

// files does what each line of its input says, confined.
func files() {
	f := here().enter()
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		word, path, _ := strings.Cut(in.Text(), " ")
		switch word {
		case "read":
			b, err := f.Read(path)
			fmt.Printf("%.100q %v\n", b, err)
		case "append":
			file, err := f.Append(path)
			if err == nil {
				_, err = file.WriteString("line\n")
				_ = file.Close()
			}
			fmt.Println(err)
		case "stale":
			fmt.Println(f.Stale())
		}
	}
}
