// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	lksdk "github.com/livekit/server-sdk-go/v2"
	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"
	"github.com/pion/webrtc/v4/pkg/media"
)

// bench is participants for tests/bench: each in a room of its own, publishing a file or receiving what is there.
type bench struct {
	url, key, secret, rooms string
	options                 []lksdk.ConnectOption

	mutex   sync.Mutex
	members []*lksdk.Room
	tracks  []*benchTrack
}

// benchTrack is a track that is received. First is in microseconds of the real time.
type benchTrack struct {
	Member int    `json:"member"`
	Kind   string `json:"kind"`
	Name   string `json:"name"`
	Frames int    `json:"frames"`
	First  int64  `json:"first"`
}

// benchTimes tells of one member, in microseconds of the real time.
type benchTimes struct {
	Began  int64 `json:"began"`
	Joined int64 `json:"joined"`
	Done   int64 `json:"done"` // published
}

func newBench(a []string) *bench {
	b := &bench{url: a[0], key: a[1], secret: a[2], rooms: a[3],
		options: []lksdk.ConnectOption{lksdk.WithDisableRegionDiscovery()}}
	if a[4] == "single" {
		b.options = append(b.options, lksdk.WithSinglePeerConnection())
	}
	return b
}

// take counts frames as a receiver gets them: taken out of their packets, from the first that is whole.
func (b *bench) take(e *benchTrack, remote *webrtc.TrackRemote) {
	d := depacketizer(remote.Codec().MimeType)
	var next uint16
	known, whole := false, true
	for {
		packet, _, err := remote.ReadRTP()
		if err != nil {
			return
		}
		whole = whole && (!known || packet.SequenceNumber == next)
		next, known = packet.SequenceNumber+1, true
		if packet.Padding || len(packet.Payload) == 0 {
			continue
		}
		if d != nil {
			if _, err := d.Unmarshal(packet.Payload); err != nil {
				whole = false
			}
		}
		if e.Kind == "video" && !packet.Marker {
			continue
		}
		if whole {
			b.mutex.Lock()
			if e.Frames++; e.Frames == 1 {
				e.First = time.Now().UnixMicro()
			}
			b.mutex.Unlock()
		}
		whole = true
	}
}

func (b *bench) join(member int, identity string, receives bool) (*lksdk.Room, error) {
	callback := &lksdk.RoomCallback{}
	callback.OnTrackSubscribed = func(remote *webrtc.TrackRemote, publication *lksdk.RemoteTrackPublication,
		_ *lksdk.RemoteParticipant) {
		e := &benchTrack{Member: member, Kind: remote.Kind().String(), Name: publication.Name()}
		b.mutex.Lock()
		b.tracks = append(b.tracks, e)
		b.mutex.Unlock()
		go b.take(e, remote)
	}
	options := append([]lksdk.ConnectOption{lksdk.WithAutoSubscribe(receives)}, b.options...)
	room, err := lksdk.ConnectToRoom(b.url, lksdk.ConnectInfo{APIKey: b.key, APISecret: b.secret,
		RoomName: fmt.Sprintf("%s%02d", b.rooms, member), ParticipantIdentity: identity}, callback, options...)
	if err == nil {
		b.mutex.Lock()
		b.members = append(b.members, room)
		b.mutex.Unlock()
	}
	return room, err
}

func publishFile(room *lksdk.Room, file string) error {
	track, err := lksdk.NewLocalFileTrack(file)
	if err == nil {
		_, err = room.LocalParticipant.PublishTrack(track, &lksdk.TrackPublicationOptions{Name: "file",
			VideoWidth: 1280, VideoHeight: 720})
	}
	return err
}

// publishAnswering publishes access units of a file, thirty a second, and begins the file again when a key frame is
// asked for.
func publishAnswering(room *lksdk.Room, file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	delimiter := []byte{0, 0, 0, 1, 9}
	units := bytes.Split(data, delimiter)[1:]
	again := make(chan struct{}, 1)
	track, err := lksdk.NewLocalSampleTrack(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeH264, ClockRate: 90000},
		lksdk.WithRTCPHandler(func(packet rtcp.Packet) {
			if _, ok := packet.(*rtcp.PictureLossIndication); ok {
				select {
				case again <- struct{}{}:
				default:
				}
			}
		}))
	if err != nil {
		return err
	}
	track.OnBind(func() {
		go func() {
			ticker := time.NewTicker(time.Second / 30)
			defer ticker.Stop()
			for at := 0; ; at = (at + 1) % len(units) {
				select {
				case <-again:
					at = 0
				case <-ticker.C:
				}
				unit := append(bytes.Clone(delimiter), units[at]...)
				if track.WriteSample(media.Sample{Data: unit, Duration: time.Second / 30}, nil) != nil {
					return
				}
			}
		}()
	})
	_, err = room.LocalParticipant.PublishTrack(track, &lksdk.TrackPublicationOptions{Name: "answering", VideoWidth: 1280,
		VideoHeight: 720})
	return err
}

// all lets so many members join at once; with a file each publishes it.
func (b *bench) all(count int, identity, file string, answers bool) ([]benchTimes, error) {
	times, errors := make([]benchTimes, count), make([]error, count)
	var group sync.WaitGroup
	for i := range count {
		group.Go(func() {
			times[i].Began = time.Now().UnixMicro()
			room, err := b.join(i, identity, file == "")
			times[i].Joined = time.Now().UnixMicro()
			if err == nil && answers {
				err = publishAnswering(room, file)
			} else if err == nil && file != "" {
				err = publishFile(room, file)
			}
			times[i].Done = time.Now().UnixMicro()
			errors[i] = err
		})
	}
	group.Wait()
	for _, err := range errors {
		if err != nil {
			return nil, err
		}
	}
	return times, nil
}

func (b *bench) leave() {
	for _, room := range b.members {
		room.Disconnect()
	}
}

// benchCall: "bench-publish", "bench-answer" (the same, with key frames when asked) and "bench-receive" with URL, KEY,
// SECRET, ROOMS, "" or "single" (one peer connection), COUNT and, to publish, FILE; rooms are called ROOMS00, ROOMS01 …
// "bench-add" with FILE publishes one more track that answers, in the first room, and tells how long that took;
// "bench-tracks" tells what is received; "bench-leave" ends it.
func (p *peer) benchCall(r request) (any, error) {
	a := r.Arguments
	switch r.Call {
	case "bench-publish", "bench-answer", "bench-receive":
		count, err := strconv.Atoi(a[5])
		if err != nil {
			return nil, err
		}
		p.bench = newBench(a)
		if r.Call == "bench-receive" {
			return p.bench.all(count, "receiver", "", false)
		}
		return p.bench.all(count, "publisher", a[6], r.Call == "bench-answer")
	case "bench-add":
		began := time.Now().UnixMicro()
		err := publishAnswering(p.bench.members[0], a[0])
		return benchTimes{Began: began, Joined: began, Done: time.Now().UnixMicro()}, err
	case "bench-tracks":
		p.bench.mutex.Lock()
		defer p.bench.mutex.Unlock()
		result := []benchTrack{}
		for _, e := range p.bench.tracks {
			result = append(result, *e)
		}
		return result, nil
	case "bench-leave":
		p.bench.leave()
		p.bench = nil
		return nil, nil
	}
	return nil, fmt.Errorf("no call %q", r.Call)
}
