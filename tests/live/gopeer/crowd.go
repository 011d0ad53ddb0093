// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	lksdk "github.com/livekit/server-sdk-go/v2"
	"github.com/pion/webrtc/v4"
	"github.com/pion/webrtc/v4/pkg/media"
)

// 20 ms of silence.
var silence = media.Sample{Data: []byte{0xf8, 0xff, 0xfe}, Duration: 20 * time.Millisecond}

// member is a participant with one track of sound.
type member struct {
	room *lksdk.Room
	done chan struct{}
}

// crowd is many participants in one process, which receive nothing.
type crowd struct {
	mutex   sync.Mutex
	members map[int]*member
	errors  int
}

func (c *crowd) fail(number int, err error) {
	fmt.Fprintf(os.Stderr, "p%d: %s\n", number, err)
	c.mutex.Lock()
	c.errors++
	c.mutex.Unlock()
}

func (c *crowd) join(number int, url, key, secret, name string) {
	room, err := lksdk.ConnectToRoom(url, lksdk.ConnectInfo{APIKey: key, APISecret: secret, RoomName: name,
		ParticipantIdentity: fmt.Sprintf("p%d", number)}, &lksdk.RoomCallback{}, lksdk.WithAutoSubscribe(false),
		lksdk.WithDisableRegionDiscovery())
	if err != nil {
		c.fail(number, err)
		return
	}
	track, err := webrtc.NewTrackLocalStaticSample(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus,
		ClockRate: 48000, Channels: 2}, "sound", "sound")
	if err == nil {
		_, err = room.LocalParticipant.PublishTrack(track, &lksdk.TrackPublicationOptions{Name: "sound"})
	}
	if err != nil {
		c.fail(number, err)
		room.Disconnect()
		return
	}
	m := &member{room, make(chan struct{})}
	c.mutex.Lock()
	c.members[number] = m
	c.mutex.Unlock()
	ticker := time.NewTicker(silence.Duration)
	defer ticker.Stop()
	for {
		select {
		case <-m.done:
			return
		case <-ticker.C:
			track.WriteSample(silence)
		}
	}
}

func (c *crowd) leave(number int) {
	c.mutex.Lock()
	m := c.members[number]
	delete(c.members, number)
	c.mutex.Unlock()
	if m != nil {
		close(m.done)
		m.room.Disconnect()
	}
}

// call: "crowd-join" and "crowd-leave" with FIRST, LAST, PER-SECOND and, to join, URL, KEY, SECRET, ROOM are answered at once;
// "crowd-count" tells how many are there, and what went wrong.
func (c *crowd) call(r request) (any, error) {
	if r.Call == "crowd-count" {
		c.mutex.Lock()
		defer c.mutex.Unlock()
		return map[string]int{"members": len(c.members), "errors": c.errors}, nil
	}
	a := r.Arguments
	var numbers [3]int
	for i := range numbers {
		var err error
		if numbers[i], err = strconv.Atoi(a[i]); err != nil {
			return nil, err
		}
	}
	go func() {
		for n := numbers[0]; n <= numbers[1]; n++ {
			if r.Call == "crowd-join" {
				go c.join(n, a[3], a[4], a[5], a[6])
			} else {
				go c.leave(n)
			}
			time.Sleep(time.Second / time.Duration(numbers[2]))
		}
	}()
	return nil, nil
}
