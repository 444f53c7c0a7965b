// A plain forwarding server on Pion: what an SFU written with it costs at least. Driven by pion.py.
//
// POST /join {"room", "name", "publish": [kind], "watch": [name], "peer": number or 0, "sdp"} -> {"peer", "sdp"}.
// With "peer" of an earlier answer the offer is a renegotiation, and "watch" names the publishers that are new.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"
)

type forwarded struct {
	publisher *webrtc.PeerConnection
	remote    atomic.Pointer[webrtc.TrackRemote]
	local     *webrtc.TrackLocalStaticRTP
}

type server struct {
	api    *webrtc.API
	mutex  sync.Mutex
	peers  []*webrtc.PeerConnection
	tracks map[string][]*forwarded // by room and publisher
}

type request struct {
	Room    string   `json:"room"`
	Name    string   `json:"name"`
	Publish []string `json:"publish"`
	Watch   []string `json:"watch"`
	Peer    int      `json:"peer"`
	Sdp     string   `json:"sdp"`
}

type response struct {
	Peer int    `json:"peer"`
	Sdp  string `json:"sdp"`
}

var codecs = map[string]webrtc.RTPCodecCapability{
	"video": {MimeType: webrtc.MimeTypeVP8, ClockRate: 90000},
	"audio": {MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2},
}

// Tracks exist from the publisher's offer on: Pion learns of the incoming ones by their first packets only.
func (s *server) publish(key string, kinds []string, peer *webrtc.PeerConnection) error {
	published := map[string]*forwarded{}
	for _, kind := range kinds {
		local, err := webrtc.NewTrackLocalStaticRTP(codecs[kind], kind, key)
		if err != nil {
			return err
		}
		published[kind] = &forwarded{publisher: peer, local: local}
		s.mutex.Lock()
		s.tracks[key] = append(s.tracks[key], published[kind])
		s.mutex.Unlock()
	}
	peer.OnTrack(func(remote *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		track := published[remote.Kind().String()]
		if track == nil {
			return
		}
		track.remote.Store(remote)
		for {
			packet, _, err := remote.ReadRTP()
			if err != nil {
				return
			}
			_ = track.local.WriteRTP(packet)
		}
	})
	return nil
}

func (s *server) watch(key string, peer *webrtc.PeerConnection) error {
	s.mutex.Lock()
	tracks := s.tracks[key]
	s.mutex.Unlock()
	if len(tracks) == 0 {
		return fmt.Errorf("%s publishes nothing", key)
	}
	for _, track := range tracks {
		sender, err := peer.AddTrack(track.local)
		if err != nil {
			return err
		}
		go relayKeyFrames(sender, track)
	}
	return nil
}

// The sender's RTCP must be read; a subscriber's wish for a key frame goes to the publisher.
func relayKeyFrames(sender *webrtc.RTPSender, track *forwarded) {
	for {
		packets, _, err := sender.ReadRTCP()
		if err != nil {
			return
		}
		for _, packet := range packets {
			remote := track.remote.Load()
			if _, ok := packet.(*rtcp.PictureLossIndication); ok && remote != nil {
				pli := &rtcp.PictureLossIndication{MediaSSRC: uint32(remote.SSRC())}
				_ = track.publisher.WriteRTCP([]rtcp.Packet{pli})
			}
		}
	}
}

func (s *server) join(request request) (response, error) {
	var peer *webrtc.PeerConnection
	number := request.Peer
	if number == 0 {
		made, err := s.api.NewPeerConnection(webrtc.Configuration{})
		if err != nil {
			return response{}, err
		}
		peer = made
		s.mutex.Lock()
		s.peers = append(s.peers, peer)
		number = len(s.peers)
		s.mutex.Unlock()
		if err := s.publish(request.Room+"/"+request.Name, request.Publish, peer); err != nil {
			return response{}, err
		}
	} else {
		s.mutex.Lock()
		peer = s.peers[number-1]
		s.mutex.Unlock()
	}
	for _, name := range request.Watch {
		if err := s.watch(request.Room+"/"+name, peer); err != nil {
			return response{}, err
		}
	}
	offer := webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: request.Sdp}
	if err := peer.SetRemoteDescription(offer); err != nil {
		return response{}, err
	}
	answer, err := peer.CreateAnswer(nil)
	if err != nil {
		return response{}, err
	}
	gathered := webrtc.GatheringCompletePromise(peer)
	if err := peer.SetLocalDescription(answer); err != nil {
		return response{}, err
	}
	<-gathered
	return response{number, peer.LocalDescription().SDP}, nil
}

func main() {
	address := flag.String("listen", "127.0.0.1:0", "address of the HTTP API")
	flag.Parse()
	settings := webrtc.SettingEngine{}
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	settings.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	settings.SetICETimeouts(30*time.Second, 60*time.Second, 2*time.Second)
	settings.SetIPFilter(func(ip net.IP) bool { return ip.IsLoopback() })
	s := &server{api: webrtc.NewAPI(webrtc.WithSettingEngine(settings)), tracks: map[string][]*forwarded{}}
	http.HandleFunc("/join", func(writer http.ResponseWriter, reader *http.Request) {
		var asked request
		if err := json.NewDecoder(reader.Body).Decode(&asked); err != nil {
			http.Error(writer, err.Error(), http.StatusBadRequest)
			return
		}
		answered, err := s.join(asked)
		if err != nil {
			http.Error(writer, err.Error(), http.StatusConflict)
			return
		}
		_ = json.NewEncoder(writer).Encode(answered)
	})
	http.HandleFunc("/healthz", func(writer http.ResponseWriter, _ *http.Request) { writer.WriteHeader(http.StatusOK) })
	fmt.Println(http.ListenAndServe(*address, nil))
}
