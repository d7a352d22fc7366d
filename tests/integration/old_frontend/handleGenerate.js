// The studio of the earlier system, word for word: it must go on working against this API unchanged.
const handleGenerate = async () => {
  try {
    if (script.trim().length < 60) {
      alert('Please write a longer script! At least 60 characters needed. ')
      return
    }

    if (!integrityConfirmed) {
      alert('Please confirm that this story reflects your own ideas before generating. âœï¸')
      return
    }

    setIsGenerating(true)
    setProgress(0)
    setStatusMessage('Creating generation job...')
  } catch (error) {
    console.error('Error in handleGenerate setup:', error)
    setIsGenerating(false)
    alert('An error occurred. Please try again.')
    return
  }

  try {
    // Step 1: Create job (returns immediately with jobId) - NO TIMEOUT
    const createResponse = await fetch('/api/generate', {
      method: 'POST',
      headers: {
        'Content-Type': 'application/json',
      },
      body: JSON.stringify({ script }),
    })

    if (!createResponse.ok) {
      const errorData = await createResponse.json().catch(() => ({}))
      throw new Error(errorData.error || 'Failed to create generation job')
    }

    const createData = await createResponse.json()
    const jobId = createData.jobId

    if (!jobId) {
      throw new Error('No job ID returned from server')
    }

    console.log('[Studio] Job created:', jobId)
    setStatusMessage('Job created. Starting generation...')

    // Step 2: Poll job status every 2 seconds (NO TIMEOUT on fetch)
    let pollInterval = null
    let pollAttempts = 0
    const maxPollAttempts = 600 // 20 minutes max (600 * 2s = 1200s)

    const pollJobStatus = async () => {
      try {
        pollAttempts++
        
        if (pollAttempts > maxPollAttempts) {
          clearInterval(pollInterval)
          throw new Error('Generation timeout - took too long. Please check job status later.')
        }

        const statusResponse = await fetch(`/api/job/${jobId}`)
        
        if (!statusResponse.ok) {
          if (statusResponse.status === 404) {
            throw new Error('Job not found')
          }
          const errorData = await statusResponse.json().catch(() => ({}))
          throw new Error(errorData.error || 'Failed to get job status')
        }

        const jobData = await statusResponse.json()
        
        // Update progress
        setProgress(jobData.progress || 0)
        setStatusMessage(jobData.currentStep || `Status: ${jobData.status}`)

        // Check if job is complete
        if (jobData.status === 'completed') {
          clearInterval(pollInterval)
          
          // Build result data in expected format
          const resultData = {
            id: jobId,
            status: 'completed',
            script: script,
            storyboard: jobData.results?.storyboard || null,
            scenes: (jobData.results?.scenes || []).map(scene => ({
              sceneNumber: scene.sceneNumber || scene.sceneIndex,
              imageUrl: null,
              videoUrl: scene.videoUrl,
              description: scene.description,
              generationId: scene.generationId,
            })),
            model: 'luma-dream-machine',
            created_at: jobData.createdAt || new Date().toISOString(),
            video_url: jobData.results?.scenes?.[0]?.videoUrl || null,
            generation_id: jobData.results?.scenes?.[0]?.generationId || null,
          }

          console.log('[Studio] Job completed:', resultData)

          // Save to database if user is logged in
          if (user) {
            try {
              await fetch('/api/videos', {
                method: 'POST',
                headers: { 'Content-Type': 'application/json' },
                body: JSON.stringify({
                  script: script,
                  videoUrl: resultData.video_url,
                  generationId: resultData.generation_id,
                  status: 'completed',
                  storyboard: resultData.storyboard,
                  videoData: resultData,
                }),
              })
            } catch (dbError) {
              console.error('Error saving to database:', dbError)
            }
          }

          // Store in sessionStorage for result page
          sessionStorage.setItem('userScript', script)
          sessionStorage.setItem('videoData', JSON.stringify(resultData))
          sessionStorage.removeItem('errorMessage')

          setProgress(100)
          setStatusMessage('Generation complete!')
          
          setTimeout(() => {
            setIsGenerating(false)
            router.push('/result')
          }, 500)

        } else if (jobData.status === 'failed') {
          clearInterval(pollInterval)
          
          const errorMsg = jobData.error || 'Generation failed'
          console.error('[Studio] Job failed:', errorMsg)

          // Still save script to database
          if (user) {
            try {
              await fetch('/api/videos', {
                method: 'POST',
                headers: { 'Content-Type': 'application/json' },
                body: JSON.stringify({
                  script: script,
                  videoUrl: null,
                  generationId: null,
                  status: 'failed',
                  storyboard: jobData.results?.storyboard || null,
                  videoData: { status: 'error', error: errorMsg },
                }),
              })
            } catch (dbError) {
              console.error('Error saving to database:', dbError)
            }
          }

          sessionStorage.setItem('userScript', script)
          sessionStorage.setItem('errorMessage', errorMsg)
          sessionStorage.setItem('videoData', JSON.stringify({
            status: 'error',
            script: script,
            error: errorMsg,
            storyboard: jobData.results?.storyboard || null,
          }))

          setIsGenerating(false)
          alert(`Generation failed: ${errorMsg}`)
          router.push('/result')
        }
        // Continue polling if status is 'queued' or 'processing'

      } catch (pollError) {
        console.error('[Studio] Poll error:', pollError)
        clearInterval(pollInterval)
        setIsGenerating(false)
        alert(`Error checking job status: ${pollError.message}`)
      }
    }

    // Start polling immediately, then every 2 seconds
    await pollJobStatus() // First poll
    pollInterval = setInterval(pollJobStatus, 2000) // Then every 2 seconds

  } catch (error) {
    console.error('[Studio] Error generating video:', error)
    setIsGenerating(false)
    
    // Save error state
    if (user) {
      try {
        await fetch('/api/videos', {
          method: 'POST',
          headers: { 'Content-Type': 'application/json' },
          body: JSON.stringify({
            script: script,
            videoUrl: null,
            generationId: null,
            status: 'failed',
            storyboard: null,
            videoData: { status: 'error', error: error.message },
          }),
        })
      } catch (dbError) {
        console.error('Error saving to database:', dbError)
      }
    }

    sessionStorage.setItem('userScript', script)
    sessionStorage.setItem('errorMessage', error.message || 'Failed to start generation')
    sessionStorage.setItem('videoData', JSON.stringify({
      status: 'error',
      script: script,
      error: error.message,
    }))

    alert(`Failed to start generation: ${error.message}`)
    router.push('/result')
  }
}
